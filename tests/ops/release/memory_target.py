# ruff: noqa: ARG002 - the arguments are those of the Protocols
"""A second production target, in memory: services that replace themselves, as a cluster's do, and no container ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kharness.errors import ConflictError, EngineError, LaunchError
from kharness.ops.harness import Harness
from kharness.ops.release.target import Handler, LaunchSurvey, Reasons
from kharness.ops.release.work import Back, Launching
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ExecResult, LogLine, ProcessFacts, UsageFacts
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.release.operation import Operation, former_of
from kharness.plan.release.steps import Act, Step, Strategy

Answer = Callable[[str, Sequence[str]], ExecResult]


@dataclass
class Cluster:
    """What runs, by the services' names: each has what it ran before, and last what it runs.

    `answer` is what a command in a service prints, `signals` are those that services got.
    """

    services: dict[str, list[ContainerFacts]] = field(default_factory=dict)
    signals: list[tuple[str, str]] = field(default_factory=list)
    answer: Answer = lambda _service, _argv: ExecResult(0, "", "")

    def switch(self, facts: ContainerFacts) -> None:
        """Let a service run something else."""
        self.services.setdefault(facts.name, []).append(facts)

    def switch_back(self, name: str) -> None:
        """Let a service run what it ran before; it goes where that was nothing."""
        self.services[name].pop()
        if not self.services[name]:
            del self.services[name]

    def set_state(self, name: str, state: str) -> None:
        """Let what a service runs have another state."""
        self.services[name][-1] = replace(self._found(name), state=state)

    def _found(self, name: str) -> ContainerFacts:
        if name not in self.services:
            raise EngineError(f"there is no service {name}")
        return self.services[name][-1]

    # The runtime: a service's id is its name.

    def container(self, ref: str) -> ContainerFacts | None:
        return self.services[ref][-1] if ref in self.services else None

    def start(self, container: str) -> None:
        self.set_state(container, "running")

    def stop(self, container: str, *, timeout: float | None = None) -> None:
        self.set_state(container, "exited")

    def restart(self, container: str) -> None:
        found = self._found(container)
        self.services[container][-1] = replace(found, state="running", started_at="2026-01-02T00:00:00Z")

    def kill(self, container: str, *, signal: str = "KILL") -> None:
        self.signals.append((self._found(container).name, signal))

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        return self._found(container).exit_code

    def exec(
        self,
        container: str,
        argv: Sequence[str],
        *,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        working_dir: str | None = None,
        timeout: float | None = None,
    ) -> ExecResult:
        return self.answer(self._found(container).name, argv)

    def exec_raw(self, container: str, argv: Sequence[str], *, user: str | None = None) -> tuple[int, bytes, bytes]:
        done = self.exec(container, argv)
        return done.exit_code, done.stdout.encode(), done.stderr.encode()

    def read_file(self, container: str, path: str) -> bytes:
        raise EngineError(f"{path}: there is no such file in {self._found(container).name}")

    def logs(self, container: str, *, tail: int | None = None) -> str:
        return f"{self._found(container).name} runs {self._found(container).image_id}\n"

    def log_lines(
        self, container: str, *, tail: int | None = None, after: str = "", follow: bool = False
    ) -> Iterator[LogLine]:
        yield LogLine(at="2026-01-01T00:00:00Z", text=self.logs(container).rstrip())

    def processes(self, container: str) -> tuple[ProcessFacts, ...]:
        return (ProcessFacts(pid=1, ppid=0, uid="0", command=self._found(container).image),)

    def usage(self, container: str) -> UsageFacts | None:
        return UsageFacts(memory=1 << 20, memory_limit=1 << 30, cpu=1.0, at=0.0) if container in self.services else None


class MemoryTarget:
    """Production on a cluster in memory."""

    def __init__(self, cluster: Cluster, harness: Harness) -> None:
        self._cluster = cluster
        self._harness = harness

    @property
    def runtime(self) -> Cluster:
        return self._cluster

    def services(self, name: str | None = None) -> tuple[ContainerFacts, ...]:
        found = (versions[-1] for versions in self._cluster.services.values())
        return tuple(each for each in found if name in {None, each.labels.get(labels.NAME)})

    def current(self, name: str) -> ContainerFacts | None:
        return next(iter(self.services(name)), None)

    @property
    def strategy(self) -> Strategy:
        return Strategy.REPLACE

    @property
    def handlers(self) -> Mapping[Act, Handler]:
        return {
            Act.STAGE: Handler(do=self._stage),
            Act.SWITCH: Handler(do=self._switch, undo=self._switch_back),
        }

    def claim(self, name: str, plan: LaunchPlan) -> ContainerFacts | None:
        found = self._cluster.container(plan.spec.name)
        if found is not None and found.labels.get(labels.NAME) != name:
            raise ConflictError(f"{plan.spec.name}: the service of that name is another one's")
        return found

    def is_launched(self, found: ContainerFacts, subject: Subject, plan: LaunchPlan) -> bool:
        wanted = plan.spec.labels[labels.INPUTS]
        return found.running and found.image_id == subject.image.id and found.labels[labels.INPUTS] == wanted

    def survey(self, subject: Subject, plan: LaunchPlan) -> LaunchSurvey:
        old = self.claim(subject.name, plan)
        return LaunchSurvey(former=former_of(old, {}) if old else None)

    def launched(self, operation: Operation) -> ContainerFacts:
        found = self._cluster.container(operation.container)
        if found is None or found.labels.get(labels.RELEASE) != operation.id:
            raise LaunchError(f"{operation.container}: the new release vanished")
        return found

    def wait_ready(self, container: str, plan: LaunchPlan) -> float:
        if (found := self._cluster.container(container)) is None or not found.running:
            raise LaunchError(f"{container}: is not ready")
        return 0.0

    def watch(self, container: str, plan: LaunchPlan, *, before: ContainerFacts | None, until: float) -> Reasons:
        found = self._cluster.container(container)
        return () if found is not None and found.running else (f"{container}: did not keep running",)

    def _stage(self, work: Launching, _step: Step) -> None:
        # A cluster pulls the image to where it may run; nothing else is to be done before.
        if self._harness.engine.image(work.operation.image) is None:
            raise LaunchError(f"{work.operation.image}: cannot be pulled")

    def _switch(self, work: Launching, _step: Step) -> None:
        operation, plan = work.operation, work.plan
        facts = ContainerFacts(
            id=operation.container,
            name=operation.container,
            image_id=operation.image,
            image=operation.tags.live,
            state="exited" if work.subject.image.labels.get("fake.exit") else "running",
            restart_policy=plan.spec.restart,
            labels={**plan.spec.labels, labels.RELEASE: operation.id},
        )
        self._cluster.switch(facts)

    def _switch_back(self, back: Back, _step: Step) -> None:
        found = self._cluster.container(back.operation.container)
        if found is not None and found.labels.get(labels.RELEASE) == back.operation.id:
            self._cluster.switch_back(found.name)

"""One running container, and its volumes, as tests read, write and question them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kharness.engine.api import Engine, Runtime
from kharness.errors import ContainerMissingError, HostError, UsageError
from kharness.host.session.baseline import Baseline
from kharness.ops.session.readiness import NotYetError, listening, wait_ready
from kharness.plan.drift.layers import without_init
from kharness.plan.facts import Change, ContainerFacts, ExecResult, ImageFacts, LogLine, PortRef, ProcessFacts
from kharness.plan.launch.docker_line import docker_line
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.launch.runspec import MountKind, RunSpec
from kharness.plan.session.modes import Mode
from kharness.plan.session.readiness import ReadyCheck, exposed_ports
from kharness.settings.layers import for_test

LOOPBACK = frozenset({"", "0.0.0.0", "127.0.0.1"})  # noqa: S104 - what is published there is reached at 127.0.0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFacts:
    """What a process must know to work with an instance that another one launched. Plain values: it travels as JSON."""

    name: str
    container: str
    id: str
    image: str
    mode: str
    address: str = ""
    ports: tuple[str, ...] = ()
    published: Mapping[str, int] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    line: str = ""
    ready_after: float = 0.0

    def to_json(self) -> str:
        """Return the JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> InstanceFacts:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        values["ports"] = tuple(values["ports"])
        return cls(**values)


def instance_facts(
    subject: Subject,
    plan: LaunchPlan,
    found: ContainerFacts,
    *,
    mode: Mode,
    ready_after: float = 0.0,
    notes: Mapping[str, str] | None = None,
) -> InstanceFacts:
    """Put together what tests must know of a running container; `notes` say how its volumes were at the launch."""
    volumes: dict[str, str] = {}
    mounted = {mount.target: mount.source for mount in found.mounts}
    said_volumes = subject.settings.volumes if mode is Mode.IN_PROD else for_test(subject.settings).volumes
    for said, volume in zip(said_volumes, plan.volumes, strict=True):
        bind = volume.mount.kind is MountKind.BIND
        source = volume.mount.source if bind else mounted.get(volume.mount.target)
        if source:
            volumes[volume.mount.target] = source
            if said.source:
                volumes[said.source.removeprefix("./")] = source
    return InstanceFacts(
        name=subject.name,
        container=found.name,
        id=found.id,
        image=found.image_id,
        mode=mode.value,
        address=next((address for address in found.addresses.values() if address), ""),
        ports=tuple(str(port) for port in exposed_ports(subject.settings, subject.image)),
        published=_reached(found) if plan.spec.publish else {},
        volumes=volumes,
        notes=notes or {},
        line=docker_line(plan.spec, hide=frozenset(subject.env)),
        ready_after=ready_after,
    )


def _reached(found: ContainerFacts) -> dict[str, int]:
    # A port of one address of the host is not there on the loopback; the container's own address answers for it.
    return {str(port.port): port.host_port for port in found.published if port.host_ip in LOOPBACK}


POLL = 0.05
"""Seconds between two looks at a file."""


class TestVolume:
    """The directory on the host that a test instance has mounted in place of production's."""

    __test__ = False

    def __init__(self, path: Path, *, note: Path | None = None) -> None:
        self.path = path
        """The directory itself, for uses that have no method here."""
        self._note = note

    def read_text(self, name: str) -> str:
        """Return a file's text."""
        return (self.path / name).read_text(encoding="utf-8")

    def write_text(self, name: str, text: str) -> Path:
        """Write a file, with the directories above it; returns its path on the host."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def changes(self) -> tuple[Change, ...]:
        """Return what was added, changed and removed since the launch, by paths in the volume, sorted.

        A directory counts as changed when its owner or mode is. Raises `UsageError` for a volume that is production's
        own: its former state is not known. Raises `HostError`.
        """
        if self._note is None:
            raise UsageError(f"{self.path}: is no test instance's own volume, so its former state is not known")
        return Baseline.load(self._note).changes()

    def wait_for(self, name: str, text: str, *, timeout: float = 5.0) -> str:
        """Wait until the file contains the text and return all of it; AssertionError says what it had instead."""
        deadline = time.monotonic() + timeout
        while True:
            path = self.path / name
            found = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
            if found is not None and text in found:
                return found
            if time.monotonic() > deadline:
                state = "does not exist" if found is None else f"has {found[-200:]!r}"
                raise AssertionError(f"{name}: expected {text!r} within {timeout:g} s, but it {state}")
            time.sleep(POLL)


LOG_LINES = tuple(1000 * 4**step for step in range(5))
"""So many of a log's last lines are asked for, until they are all of it or enough."""
LOG_ENOUGH = 12 << 20
"""Characters that are enough."""


class Instance:
    """A container under test: a test instance, or the production instance in `in-prod` mode.

    `runtime` is where it runs, unless that is the engine which has its image.
    """

    def __init__(
        self,
        engine: Engine,
        facts: InstanceFacts,
        *,
        ready: Callable[[], ReadyCheck],
        ready_timeout: float,
        secrets: Iterable[str] = (),
        runtime: Runtime | None = None,
    ) -> None:
        self.facts = facts
        self.secrets = frozenset(secrets)
        """Values that no report may show."""
        self._engine = engine
        self._runtime = runtime or engine
        self._ready = ready
        self._ready_timeout = ready_timeout
        self._address = facts.address

    def __repr__(self) -> str:
        return f"<{self.facts.mode} instance {self.name}>"

    @property
    def name(self) -> str:
        """The container's name on the engine."""
        return self.facts.container

    @property
    def id(self) -> str:
        """The container's id."""
        return self.facts.id

    @property
    def image(self) -> str:
        """The id of its image."""
        return self.facts.image

    @property
    def mode(self) -> Mode:
        """The mode of the session."""
        return Mode(self.facts.mode)

    @property
    def address(self) -> str:
        """Its IPv4 address, or 127.0.0.1 where its ports are published because the address cannot be routed."""
        return self._address

    @property
    def is_running(self) -> bool:
        """Whether its first process runs."""
        found = self._runtime.container(self.id)
        return found is not None and found.running

    def endpoint(self, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """Return address and port under which the container's port is reached from here."""
        published = self.facts.published.get(f"{port}/{protocol}")
        if published is not None:
            return ("127.0.0.1", published)
        return (self.address, port)

    def url(self, port: int | None = None, path: str = "/", scheme: str = "http") -> str:
        """Return a URL; without a port, of the first exposed TCP port."""
        host, number = self.endpoint(self._first_port() if port is None else port)
        return f"{scheme}://{host}:{number}/{path.lstrip('/')}"

    def exec(
        self,
        *argv: str,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> ExecResult:
        """Run a command inside, each argument as it is; TimeoutError after `timeout` seconds."""
        return self._runtime.exec(self.id, argv, user=user, environment=environment, timeout=timeout)

    def logs(self, *, tail: int | None = None) -> str:
        """Return its output so far, or the last lines of it; of a long one only the end, some 16 MiB.

        `log_lines` has all of it.
        """
        if tail is not None:
            return self._runtime.logs(self.id, tail=tail)
        # An engine finds the last lines quickly, however long the log is; its length is not known.
        for lines in LOG_LINES:
            text = self._runtime.logs(self.id, tail=lines)
            if len(text) >= LOG_ENOUGH or text.count("\n") < lines:
                break
        return text

    def log_lines(self, *, tail: int | None = None) -> Iterator[LogLine]:
        """Yield the lines of its output so far, one by one as the engine reads them: a long log takes no memory."""
        return self._runtime.log_lines(self.id, tail=tail)

    def processes(self) -> tuple[ProcessFacts, ...]:
        """Return the processes that run in it, executed commands too."""
        return self._runtime.processes(self.id)

    def listening(self) -> frozenset[int]:
        """Return the TCP ports on which it listens for others than itself; `HostError` where they cannot be seen."""
        try:
            return listening(self._engine, self._facts())
        except NotYetError as error:
            raise HostError(f"{self.name}: {error}") from error

    def diff(self) -> tuple[Change, ...]:
        """Return what its file system has that the image does not, volumes and the engine's own init aside."""
        return without_init(self._engine.diff(self.id))

    def inspect(self) -> Mapping[str, Any]:
        """Return the engine's whole answer about it."""
        return self._facts().raw

    def image_facts(self) -> ImageFacts:
        """Return what the engine says about its image."""
        found = self._engine.image(self.image)
        if found is None:
            raise ContainerMissingError(f"{self.name}: its image {self.image} is gone")
        return found

    def volume(self, name: str) -> TestVolume:
        """Return the directory mounted at a target, or in place of a source, of the settings.

        Raises `UsageError` where there is none, `HostError` where this host cannot see it.
        """
        path = self.facts.volumes.get(name) or self.facts.volumes.get(name.removeprefix("./").rstrip("/"))
        if path is None:
            known = ", ".join(sorted(self.facts.volumes)) or "none"
            raise UsageError(f"{self.name}: has no volume {name!r}; it has: {known}")
        if not Path(path).exists():
            raise HostError(f"{self.name}: {path}: cannot be seen from this host")
        note = self.facts.notes.get(path)
        return TestVolume(Path(path), note=Path(note) if note else None)

    def wait_ready(self, timeout: float | None = None) -> float:
        """Wait until it is ready and return the seconds it took; `LaunchError` when it does not become so."""
        spec = RunSpec(name=self.name, image=self.image)
        return wait_ready(self._engine, self.id, self._ready(), spec=spec, timeout=timeout or self._ready_timeout)

    def stop(self) -> None:
        """Stop it."""
        self._runtime.stop(self.id, timeout=2)

    def start(self) -> None:
        """Start it again and wait until it is ready."""
        self._runtime.start(self.id)
        self._changed()

    def restart(self) -> None:
        """Stop it, start it and wait until it is ready."""
        self.stop()
        self.start()

    def kill(self, signal: str = "KILL") -> None:
        """Send a signal to its first process."""
        self._runtime.kill(self.id, signal=signal)

    def _changed(self) -> None:
        # A restarted container may have another address.
        self.wait_ready()
        if not self.facts.published:
            self._address = next(iter(self._facts().addresses.values()), self._address)

    def _facts(self) -> ContainerFacts:
        found = self._runtime.container(self.id)
        if found is None:
            raise ContainerMissingError(f"{self.name}: the container is gone")
        return found

    def _first_port(self) -> int:
        ports = [PortRef.parse(text) for text in self.facts.ports]
        for port in ports:
            if port.protocol == "tcp":
                return port.number
        raise UsageError(f"{self.name}: exposes no TCP port; say which one is meant")

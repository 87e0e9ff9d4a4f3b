"""A test session: its identity, its networks, and the test instances it launches and removes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from kharness.errors import KharnessError, LaunchError, UsageError
from kharness.ops.giving import give_new_directories
from kharness.ops.harness import Harness
from kharness.ops.instance import Instance
from kharness.ops.instancefacts import InstanceFacts, instance_facts
from kharness.ops.isolation import refuse_writable_reals
from kharness.ops.networks import create_test_network, named_destinations, remove_test_network
from kharness.ops.prepare import prepare_instance
from kharness.ops.readiness import wait_ready
from kharness.ops.scratch import Made, Owned, make_scratch, remember_scratch, remove_scratch, with_originals
from kharness.ops.secrets import give_secrets, place_secrets
from kharness.ops.subject import needed_subjects
from kharness.ops.volumeroot import check_volume_root, uses_volume_root
from kharness.ops.volumes import refuse_real_mounts
from kharness.ops.witness import Witness
from kharness.plan import labels
from kharness.plan.hints import volume_hints
from kharness.plan.launch import LaunchPlan, Subject, TestPlace, plan_test_launch
from kharness.plan.modes import Mode
from kharness.plan.mounts import Scratch
from kharness.plan.readiness import plan_test_readiness
from kharness.plan.runspec import RunSpec
from kharness.plan.secrets import redact
from kharness.settings.model import Settings, TestOverrides
from kharness.settings.stand_in import Freeze


class _Made:
    """What belongs to one instance: steps to be taken from last to first, and then the directories of its volumes.

    `of` is the container directory whose tests it is for.
    """

    def __init__(self, of: str) -> None:
        self.of = of
        self.stack = ExitStack()
        self.directories: list[Path] = []
        self.creating = threading.Lock()

    def remove(self) -> None:
        """Remove it; again, if a launch that was under way has made more."""
        with self.creating:
            # A container that is being created holds volumes and networks, and must be known to go first.
            pass
        with ExitStack() as last:
            for directory in self.directories:
                last.callback(remove_scratch, directory)
            last.callback(self.stack.close)


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    network: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A test instance that was created and not started, with what was made for its volumes."""

    id: str
    plan: LaunchPlan
    scratch: Made


class TestSession:
    """Launches test instances on networks of its own and removes everything at the end. Safe to use from threads."""

    __test__ = False

    def __init__(
        self,
        harness: Harness,
        *,
        session: str,
        mode: Mode,
        keep: str | None = None,
        witness: Witness | None = None,
        may_restart: bool = True,
    ) -> None:
        self.harness = harness
        self.id = session
        self.mode = mode
        self.doubts: set[str] = set()
        """What isolation could not be had, for the session to say."""
        self._keep = keep
        self._witness = witness
        self._may_restart = may_restart
        self._lock = threading.Lock()
        self._network: str | None = None
        self._shared = ExitStack()
        self._launched: dict[str, _Made] = {}
        self._kept: set[str] = set()
        self._closed = False

    @property
    def scratch_root(self) -> Path:
        """Where the session's copies of volumes are."""
        return self.harness.state_dir / "copies" / self.id

    def labels(self, name: str) -> dict[str, str]:
        """Return the labels of everything the session makes for a container directory."""
        kept = {labels.KEEP: self._keep} if self._keep else {}
        return {
            labels.ROLE: labels.ROLE_TEST,
            labels.NAME: name,
            labels.SESSION: self.id,
            **self.harness.owner.labels(),
            **kept,
        }

    def launch(
        self, subject: Subject, *, needs: tuple[Subject, ...] = (), suffix: str = "", ready_timeout: float | None = None
    ) -> InstanceFacts:
        """Launch a test instance and wait until it is ready.

        `needs` run beside it under their own names. `suffix` tells further instances of one directory apart. Raises
        `LaunchError`, `EngineError`, `HostError`, `UsageError`; what was made until then goes with the session.
        """
        name = f"test-{subject.name}-{self.id}{suffix}"
        with self._making(subject, name) as made:
            place = self._surround(subject, name, needs=needs, made=made)
            return self._run(subject, place, made=made, ready_timeout=ready_timeout)

    def create(
        self, subject: Subject, *, name: str, needs: tuple[Subject, ...] = (), change: Callable[[RunSpec], RunSpec]
    ) -> Created:
        """Create a test instance under another name, its `needs` running, and leave the start to the caller.

        `change` has the last word about what is created. Once it is started, `check` must be asked. Raises what
        `launch` does.
        """
        with self._making(subject, name) as made:
            place = self._surround(subject, name, needs=needs, made=made)
            return self._create(subject, place, made=made, change=change)

    def check(self, created: Created) -> None:
        """Remove an instance that was started and could write to what is production's; raises `KharnessError`."""
        self._refuse_unsafe(created.id, created.plan)

    def instance(self, facts: InstanceFacts, subject: Subject) -> Instance:
        """Return the object that tests work with."""
        return Instance(
            self.harness.engine,
            facts,
            ready=lambda: plan_test_readiness(subject.settings, subject.image),
            ready_timeout=self.harness.host.ready_timeout,
            secrets=subject.hidden,
        )

    def needs(self, settings: Settings) -> tuple[Subject, ...]:
        """Return the `:live` instances that run beside a container of these settings."""
        return needed_subjects(self.harness, settings)

    def plan(
        self, subject: Subject, *, name: str, network: str, aliases: tuple[str, ...] = (), publish: bool = False
    ) -> LaunchPlan:
        """Plan one instance of this session."""
        egress = subject.settings.test.egress
        place = TestPlace(
            name=name,
            network=network,
            scratch=Scratch(directory=PurePosixPath(self.scratch_root / name), prefix=name),
            labels=self.labels(subject.name),
            aliases=aliases,
            publish=publish,
            hosts=named_destinations(egress) if isinstance(egress, tuple) else (),
        )
        return plan_test_launch(subject, mode=self.mode, place=place, volume_root=self.harness.volume_root)

    def keep(self, container: str) -> None:
        """Leave an instance and its network behind when the session closes."""
        with self._lock:
            self._kept.add(container)

    @property
    def kept(self) -> frozenset[str]:
        """The instances that stay."""
        return frozenset(self._kept)

    def remove(self, container: str) -> None:
        """Remove one instance with what belongs to it, unless it is kept."""
        with self._lock:
            if container in self._kept:
                return
            made = self._launched.get(container)
        if made is None:
            return
        try:
            made.remove()
        except BaseException:
            # It stays known, for the session's end to try again.
            made.stack.callback(self._remove_container, container)
            raise
        with self._lock:
            self._launched.pop(container, None)

    def close(self) -> None:
        """Remove everything the session made and does not keep."""
        with self._lock:
            self._closed = True
            names = [name for name in self._launched if name not in self._kept]
        with ExitStack() as last:
            if not self._kept:
                last.push(self._shared.pop_all())
            if names:
                with ThreadPoolExecutor(self.harness.host.launch_parallel) as pool:
                    # Not `map`, which cancels what is left when one fails.
                    removals = [pool.submit(self.remove, name) for name in names]
                for removal in removals:
                    removal.result()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise LaunchError("the session was interrupted")

    @contextmanager
    def _making(self, subject: Subject, name: str) -> Iterator[_Made]:
        made = _Made(subject.name)
        with self._lock:
            self._refuse_when_closed()
            if name in self._launched:
                raise UsageError(f"{name}: this session has such an instance already; say a suffix")
            self._launched[name] = made
        try:
            yield made
        except BaseException:
            if self._closed:
                # It was closed while this was under way: what was made after that is nobody else's to remove.
                made.remove()
            raise

    def _surround(self, subject: Subject, name: str, *, needs: tuple[Subject, ...], made: _Made) -> _Place:
        network, own = self._network_for(subject, name, needs=needs, made=made)
        for need in needs:
            self._run(need, _Place(f"{name}-{need.name}", network, (need.name,)), made=made)
        return _Place(name, network, (subject.name,) if own else ())

    def _network_for(self, subject: Subject, name: str, *, needs: tuple[Subject, ...], made: _Made) -> tuple[str, bool]:
        egress = subject.settings.test.egress
        if needs or egress is not False:
            # Whoever may go out, or answers under a plain name, is alone with what it needs.
            return self._make_network(f"{name}-net", subject.name, egress=egress, stack=made.stack), True
        with self._lock:
            self._refuse_when_closed()
            if self._network is None:
                self._network = self._make_network(f"kharness-{self.id}", "", egress=False, stack=self._shared)
            return self._network, False

    def _close_to_others(self) -> None:
        # A copy of a closed directory lies below directories of ours: others may pass to what they know, not list it.
        copies = self.scratch_root.parent
        copies.mkdir(parents=True, exist_ok=True)
        copies.chmod(0o711)

    def _make_network(self, name: str, who: str, *, egress: bool | tuple[str, ...], stack: ExitStack) -> str:
        network, doubts = create_test_network(self.harness, name, labels=self.labels(who), egress=egress)
        stack.callback(remove_test_network, self.harness, network)
        self.doubts.update(doubts)
        return network.name

    def _run(
        self, subject: Subject, place: _Place, *, made: _Made, ready_timeout: float | None = None
    ) -> InstanceFacts:
        created = self._create(subject, place, made=made)
        notes = remember_scratch(created.scratch)
        took = self._start(subject, created.id, created.plan, ready_timeout=ready_timeout)
        found = self.harness.engine.container(created.id)
        if found is None:
            raise KharnessError(f"{place.name}: the container vanished")
        return instance_facts(subject, created.plan, found, mode=self.mode, ready_after=took, notes=notes)

    def _create(
        self,
        subject: Subject,
        place: _Place,
        *,
        made: _Made,
        change: Callable[[RunSpec], RunSpec] = lambda spec: spec,
    ) -> Created:
        engine, name = self.harness.engine, place.name
        publish = not engine.facts().local
        if publish and subject.settings.test.egress is False:
            raise UsageError(
                f"{subject.name}: the engine at {engine.facts().endpoint} is not on this host, so a test instance is "
                "reached by published ports, which need a network with a way out: say 'test: {egress: true}'"
            )
        plan = self.plan(subject, name=name, network=place.network, aliases=place.aliases, publish=publish)
        plan = replace(plan, spec=change(plan.spec))
        scratch = self._make_volumes(subject, plan, made, name=name)
        place_secrets(self.harness, plan, who=subject.name)
        prepared = prepare_instance(self.harness, subject, plan)
        with made.creating:
            self._refuse_when_closed()
            # By its name, because the engine's answer may get lost.
            made.stack.callback(self._remove_container, name)
            container = engine.create(plan.spec)
        give_new_directories(self.harness, subject, container, plan, but=prepared)
        give_secrets(self.harness, subject, plan, container)
        self._refuse_unsafe(container, plan)
        return Created(id=container, plan=plan, scratch=scratch)

    def _make_volumes(self, subject: Subject, plan: LaunchPlan, made: _Made, *, name: str) -> Made:
        if self.mode is Mode.PROD_READY and uses_volume_root(self.harness, plan.volumes):
            check_volume_root(self.harness)
        refuse_real_mounts(self.harness, plan.volumes, mode=self.mode)
        made.directories.append(self.scratch_root / name)
        self._close_to_others()
        if self._witness is not None:
            container = subject.settings.container_name or subject.name
            self._witness.before(made.of, subject.name, container, plan.volumes)
        owned = Owned(
            name=subject.name,
            directory=self.scratch_root / name,
            labels=self.labels(subject.name),
            test=self._freezing(subject.settings.test),
            kept=bool(self._keep),
            go_on=self._refuse_when_closed,
        )
        scratch = make_scratch(self.harness, plan.volumes, owned, stack=made.stack)
        if self._witness is not None and scratch.stopped:
            # That one was started anew is the session's own doing.
            self._witness.begin(scratch.stopped)
        return scratch

    def _freezing(self, said: TestOverrides) -> TestOverrides:
        # Only the session that has the witness may restart production: anybody else's restart is taken for damage.
        if not self._may_restart and said.freeze is Freeze.STOP:
            return said.model_copy(update={"freeze": Freeze.PAUSE})
        return said

    def _start(self, subject: Subject, container: str, plan: LaunchPlan, *, ready_timeout: float | None) -> float:
        engine = self.harness.engine
        try:
            engine.start(container)
        except LaunchError as error:
            raise LaunchError(with_originals(str(error), plan.volumes)) from error
        self._refuse_unsafe(container, plan)
        timeout = ready_timeout or self.harness.host.ready_timeout
        try:
            return wait_ready(engine, container, plan.ready, spec=plan.spec, timeout=timeout)
        except LaunchError as error:
            advice = (f"    hint: {hint}" for hint in volume_hints(plan.volumes, mode=self.mode))
            # Its last log lines may have all that it was given, and so would the error that this one came from.
            raise LaunchError(redact("\n".join((str(error), *advice)), subject.hidden)) from None

    def _refuse_unsafe(self, container: str, plan: LaunchPlan) -> None:
        # As it is created, before anything of it runs; and as it runs, when the kernel tells more than the engine.
        found = self.harness.engine.container(container)
        try:
            if found is not None:
                refuse_writable_reals(self.harness, found, plan.volumes)
        except KharnessError:
            self.harness.engine.remove(container, force=True, volumes=True)
            raise

    def _remove_container(self, name: str) -> None:
        found = self.harness.engine.container(name)
        if found is not None and found.labels.get(labels.SESSION) == self.id:
            self.harness.engine.remove(found.id, force=True, volumes=True)

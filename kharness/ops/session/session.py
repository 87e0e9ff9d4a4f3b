"""A test session: its identity, its networks, and the test instances it launches and removes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from os import getpid
from pathlib import Path, PurePosixPath

from kharness.errors import KharnessError, LaunchError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.image.hardening import taken_from
from kharness.ops.launch.secrets import give_secrets, place_secrets
from kharness.ops.launch.subject import needed_subjects
from kharness.ops.launch.surroundings import give_files
from kharness.ops.launch.volumes import missing_directories, refuse_real_mounts
from kharness.ops.session.belongings import Belongings
from kharness.ops.session.causes import with_causes
from kharness.ops.session.instance import Instance, InstanceFacts, instance_facts
from kharness.ops.session.networks import create_test_network, named_destinations, remove_test_network
from kharness.ops.session.readiness import wait_ready
from kharness.ops.session.untouched import Witness, refuse_writable_reals
from kharness.ops.volumes.prepare import give_new_directories, prepare_instance
from kharness.ops.volumes.root import check_volume_root, uses_volume_root
from kharness.ops.volumes.scratch import (
    Made,
    Owned,
    Together,
    make_scratch,
    remember_scratch,
    with_originals,
)
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.environment import redact
from kharness.plan.launch.mounts import Scratch
from kharness.plan.launch.plan import LaunchPlan, Subject, TestPlace, names_on_network, plan_test_launch
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.modes import Mode
from kharness.plan.session.readiness import plan_test_readiness, volume_hints
from kharness.settings.model import Settings, TestOverrides
from kharness.settings.volumes import Freeze


@dataclass(frozen=True, slots=True)
class _OnNetwork:
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
        self._launched: dict[str, Belongings] = {}
        self._kept: set[str] = set()
        self._closed = False
        self._pid = getpid()

    @property
    def scratch_root(self) -> Path:
        """Where the session's copies of volumes are."""
        return self.harness.home / "copies" / self.id

    def labels(self, name: str) -> dict[str, str]:
        """Return the labels of everything the session makes for a container directory."""
        kept = {labels.KEEP: self._keep} if self._keep else {}
        return {
            labels.ROLE: labels.ROLE_TEST,
            labels.PROJECT: self.harness.project.name,
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
            return self._create(subject, place, made=made, change=lambda plan: replace(plan, spec=change(plan.spec)))

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
        root, missing = self.harness.volume_root, missing_directories(self.harness, subject)
        return plan_test_launch(subject, mode=self.mode, place=place, volume_root=root, missing=missing)

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
        """Remove everything the session made and does not keep; in a fork of the process that made it, nothing."""
        if getpid() != self._pid:
            return
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
    def _making(self, subject: Subject, name: str) -> Iterator[Belongings]:
        made = Belongings(subject.name)
        with self._lock:
            self._refuse_when_closed()
            if name in self._launched:
                raise UsageError(f"{name}: this session has such an instance already; say a suffix")
            self._launched[name] = made
        with self._removing_late(made):
            yield made

    @contextmanager
    def _removing_late(self, made: Belongings) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self._closed:
                # It was closed while this was under way: what was made after that is removed here.
                made.remove()
            raise

    def _surround(self, subject: Subject, name: str, *, needs: tuple[Subject, ...], made: Belongings) -> _OnNetwork:
        network, own = self._network_for(subject, name, needs=needs, made=made)
        others = (subject.name, *(need.name for need in needs))
        for need in needs:
            aliases = names_on_network(need, others=others)
            self._run(need, _OnNetwork(f"{name}-{need.name}", network, aliases), made=made)
        return _OnNetwork(name, network, names_on_network(subject, others=others) if own else ())

    def _network_for(
        self, subject: Subject, name: str, *, needs: tuple[Subject, ...], made: Belongings
    ) -> tuple[str, bool]:
        egress = subject.settings.test.egress
        if needs or egress is not False:
            # An instance that may go out, or answers under a plain name, is alone with what it needs.
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
        self, subject: Subject, place: _OnNetwork, *, made: Belongings, ready_timeout: float | None = None
    ) -> InstanceFacts:
        created = self._create(subject, place, made=made)
        notes = remember_scratch(created.scratch)
        found = self._start(subject, created.id, created.plan)
        took = self._wait_ready(subject, found, created.plan, timeout=ready_timeout or self.harness.host.ready_timeout)
        return instance_facts(subject, created.plan, found, mode=self.mode, ready_after=took, notes=notes)

    def _create(
        self,
        subject: Subject,
        place: _OnNetwork,
        *,
        made: Belongings,
        change: Callable[[LaunchPlan], LaunchPlan] = lambda plan: plan,
    ) -> Created:
        plan = change(self._planned(subject, name=place.name, network=place.network, aliases=place.aliases))
        scratch = self._make_volumes(subject, plan, made, name=place.name)
        return self._create_planned(subject, plan, scratch, made=made)

    def _planned(self, subject: Subject, *, name: str, network: str, aliases: tuple[str, ...] = ()) -> LaunchPlan:
        engine = self.harness.engine.facts()
        publish = not engine.local
        if publish and subject.settings.test.egress is False:
            raise UsageError(
                f"{subject.name}: the engine at {engine.endpoint} is not on this host, so a test instance is "
                "reached by published ports, which need a network with a way out: say 'test: {egress: true}'"
            )
        return self.plan(subject, name=name, network=network, aliases=aliases, publish=publish)

    def _create_planned(self, subject: Subject, plan: LaunchPlan, scratch: Made, *, made: Belongings) -> Created:
        engine, name = self.harness.engine, plan.spec.name
        place_secrets(self.harness, plan, who=subject.name)
        prepared = prepare_instance(self.harness, subject, plan)
        with made.creating:
            self._refuse_when_closed()
            ids: list[str] = []
            made.stack.callback(self._remove_created, name, ids)
            container = engine.create(plan.spec)
            ids.append(container)
        if subject.origin is not None:
            give_files(self.harness.engine, subject.origin, container)
        give_new_directories(self.harness, subject, container, plan, but=prepared)
        give_secrets(self.harness, subject, plan, container)
        self._refuse_unsafe(container, plan)
        return Created(id=container, plan=plan, scratch=scratch)

    def _make_volumes(
        self, subject: Subject, plan: LaunchPlan, made: Belongings, *, name: str, together: Together | None = None
    ) -> Made:
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
        scratch = make_scratch(self.harness, plan.volumes, owned, stack=made.stack, together=together)
        if self._witness is not None and scratch.stopped:
            # Restarting these was the session's own doing.
            self._witness.begin(scratch.stopped)
        return scratch

    def _freezing(self, said: TestOverrides) -> TestOverrides:
        # Only the session that has the witness may restart production: anybody else's restart is taken for damage.
        if not self._may_restart and said.freeze is Freeze.STOP:
            return said.model_copy(update={"freeze": Freeze.PAUSE})
        return said

    def _start(self, subject: Subject, container: str, plan: LaunchPlan) -> ContainerFacts:
        engine = self.harness.engine
        try:
            engine.start(container)
        except LaunchError as error:
            error = with_causes(engine, container, plan.spec, error, taken=taken_from(self.harness))
            raise LaunchError(with_originals(str(error), plan.volumes)) from error
        found = self._refuse_unsafe(container, plan)
        if found is None:
            raise LaunchError(f"{subject.name}: the container was removed while it started")
        return found

    def _wait_ready(self, subject: Subject, found: ContainerFacts, plan: LaunchPlan, *, timeout: float) -> float:
        engine, taken = self.harness.engine, taken_from(self.harness)
        try:
            return wait_ready(engine, found.id, plan.ready, spec=plan.spec, timeout=timeout, taken=taken, first=found)
        except LaunchError as error:
            advice = (f"    hint: {hint}" for hint in volume_hints(plan.volumes, mode=self.mode))
            # Its last log lines may have all that it was given, and so would the error that this one came from.
            raise LaunchError(redact("\n".join((str(error), *advice)), subject.hidden)) from None

    def _refuse_unsafe(self, container: str, plan: LaunchPlan) -> ContainerFacts | None:
        # As it is created, before anything of it runs; and as it runs, when the kernel tells more than the engine.
        found = self.harness.engine.container(container)
        try:
            if found is not None:
                refuse_writable_reals(self.harness, found, plan.volumes)
        except KharnessError:
            self.harness.engine.remove(container, force=True, volumes=True)
            raise
        return found

    def _remove_created(self, name: str, ids: list[str]) -> None:
        if ids:
            self.harness.engine.remove(ids[0], force=True, volumes=True)
        else:
            # The engine's answer got lost.
            self._remove_container(name)

    def _remove_container(self, name: str) -> None:
        found = self.harness.engine.container(name)
        if found is not None and found.labels.get(labels.SESSION) == self.id:
            self.harness.engine.remove(found.id, force=True, volumes=True)

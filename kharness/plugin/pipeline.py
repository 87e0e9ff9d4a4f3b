"""Build and launch in the background while tests run, a few at a time, in the order in which tests will need them."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from kharness.errors import KharnessError, LaunchError, UsageError
from kharness.host.daemons import DaemonPool
from kharness.ops.build import Built, bases_of, build
from kharness.ops.harness import Harness
from kharness.ops.inputs import Inputs, inputs_of
from kharness.ops.instancefacts import InstanceFacts, instance_facts
from kharness.ops.session import TestSession
from kharness.ops.subject import instance_subject, production_subject
from kharness.plan.launch import plan_production_launch
from kharness.plan.modes import Mode
from kharness.plan.order import build_order
from kharness.plan.secrets import redact
from kharness.plugin.board import Board
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

AHEAD = 2
"""How many instances may wait for their tests, as a multiple of the launches in parallel."""
LOOK_AGAIN = 0.05


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the pipeline is asked for: directories in the order of their tests, and how to build."""

    directories: tuple[ContainerDir, ...]
    settings: Mapping[str, Settings]
    mode: Mode
    rebuild: bool = False
    no_build: bool = False


class Pipeline:
    """Publishes a notice on the board for every directory: its instance's facts, or why there is none."""

    def __init__(
        self,
        harness: Harness,
        session: TestSession,
        board: Board,
        order: Order,
        *,
        first_release: Callable[[ContainerDir], None],
    ) -> None:
        self.built: dict[str, Built] = {}
        self.inputs: dict[str, Inputs] = {}
        self.launched: dict[str, InstanceFacts] = {}
        self.errors: dict[str, str] = {}
        self.bases: dict[str, frozenset[str]] = {}
        self._harness = harness
        self._session = session
        self._board = board
        self._order = order
        self._first_release = first_release
        self._pool = DaemonPool(harness.host.launch_parallel)
        # Of their own: launches that wait for room would keep out the removals that make some.
        self._removals = DaemonPool(harness.host.launch_parallel)
        self._ahead = threading.Semaphore(harness.host.launch_parallel * AHEAD)
        self._names = frozenset(directory.name for directory in order.directories)
        self._first = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin, and return at once."""
        if self._order.mode is Mode.IN_PROD:
            for directory in self._order.directories:
                self._submit(directory.name, self._attach, directory)
            return
        wanted = {directory.name: directory for directory in self._order.directories}
        try:
            for name, directory in wanted.items():
                self.bases[name] = bases_of(self._harness, directory, self._order.settings[name])
            names = build_order({name: self.bases[name] & wanted.keys() for name in wanted})
        except KharnessError as error:
            for name in wanted:
                self._fail(name, str(error))
            return
        # Bases first, so that a task that waits for its base can never keep that base from running.
        position = {name: index for index, name in enumerate(wanted)}
        early = {base for name in wanted for base in self.bases[name]}
        for name in sorted(names, key=lambda name: (name not in early, position[name] if name not in early else 0)):
            self._submit(name, self._prepare, wanted[name])

    def expects(self, name: str) -> bool:
        """Whether there is, or will be, a notice about this directory."""
        return name in self._names

    def done_with(self, name: str, *, keep: bool) -> None:
        """Let an instance go in the background: its last test is over."""
        facts = self.launched.get(name)
        if facts is None or self._order.mode is Mode.IN_PROD:
            return
        if keep:
            self._session.keep(facts.container)
        self._removals.submit(partial(self._remove, facts.container))

    def close(self, *, wait: bool) -> None:
        """Start nothing more; `wait` for the launches under way, unless the session was interrupted."""
        self._stopped.set()
        if wait:
            self._pool.join()

    def await_removals(self) -> None:
        """Wait until the instances that were let go are gone; no further ones may be let go."""
        self._removals.join()

    def _submit(self, name: str, task: Callable[[ContainerDir], None], directory: ContainerDir) -> None:
        self._pool.submit(partial(self._guarded, name, task, directory))

    def _guarded(self, name: str, task: Callable[[ContainerDir], None], directory: ContainerDir) -> None:
        if self._stopped.is_set():
            return
        try:
            task(directory)
        except KharnessError as error:
            self._fail(name, str(error))
        except Exception:  # noqa: BLE001 - a thread must not die silently: its tests wait for the notice
            self._fail(name, f"{name}: an error inside kharness, please report it:\n{traceback.format_exc()}")

    def _fail(self, name: str, text: str) -> None:
        self.errors[name] = text
        if not self._stopped.is_set():
            self._harness.report(name, self._failed(name))
        self._board.publish(name, error=text)

    def _failed(self, name: str) -> str:
        if self._order.mode is Mode.IN_PROD:
            return "production cannot be tested"
        if name in self.built:
            return "could not be launched"
        return "could not be pulled" if self._order.settings[name].image else "could not be built"

    def _prepare(self, directory: ContainerDir) -> None:
        name = directory.name
        settings = self._order.settings[name]
        candidates = self._candidates(name)
        built = self._existing(directory, settings) if self._order.no_build else None
        if built is None:
            built = build(self._harness, directory, settings, rebuild=self._order.rebuild, candidates=candidates)
        self.built[name] = built
        self.inputs[name] = inputs_of(self._harness, directory, settings, built, mode=self._order.mode)
        self._wait_for_turn(name)
        if self._stopped.is_set():
            return
        self._harness.report(name, "launching a test instance")
        subject = instance_subject(directory, settings, built.image)
        try:
            facts = self._session.launch(subject, needs=self._session.needs(settings))
        except KharnessError as error:
            # A container that fails may print all that it was given.
            raise LaunchError(redact(str(error), subject.hidden)) from error
        self.launched[name] = facts
        self._harness.report(name, f"ready after {facts.ready_after:.1f} s")
        self._board.publish(name, facts=facts.to_json(), timeout=settings.test.timeout)

    def _candidates(self, name: str) -> dict[str, str]:
        """Wait for the bases: those of this session are built on, others need a `:live` image first."""
        found = {}
        for base in sorted(self.bases[name]):
            if base in self._names:
                while base not in self.built and base not in self.errors and not self._stopped.wait(LOOK_AGAIN):
                    pass
                if base not in self.built:
                    raise LaunchError(f"{name}: its base {base} could not be built")
                found[base] = self.built[base].image.id
            else:
                self._ensure_live(name, base)
        return found

    def _ensure_live(self, name: str, base: str) -> None:
        # Whoever comes second finds the image there, or the same reason why it is not.
        with self._first:
            if self._harness.engine.image(self._harness.tags(base).live) is not None:
                return
            if base in self.errors:
                raise LaunchError(f"{name}: its base {base} could not be released")
            directory = self._harness.catalog.get(base)
            if directory is None:
                raise UsageError(f"{name}: its base {base} is not a container directory")
            self._harness.report(name, f"its base {base} has no live image: building, testing and promoting it first")
            try:
                self._first_release(directory)
            except KharnessError as error:
                self.errors[base] = str(error)
                raise
            self._harness.report(name, f"its base {base} is live now")

    def _existing(self, directory: ContainerDir, settings: Settings) -> Built:
        name = directory.name
        image = self._harness.engine.image(self._harness.tags(name).latest)
        if image is None:
            raise UsageError(f"{name}: --no-build tests :latest, and there is no {self._harness.tags(name).latest}")
        digest = image.labels.get("kharness.digest", image.id)
        return Built(name=name, image=image, digest=digest, fresh=False, built=settings.image is None)

    def _wait_for_turn(self, name: str) -> None:
        # Whoever is waited for goes ahead: a worker may run directories in another order than they were collected in.
        while not self._ahead.acquire(timeout=LOOK_AGAIN):
            if self._board.wanted(name) or self._stopped.is_set():
                return

    def _remove(self, container: str) -> None:
        self._ahead.release()
        with suppress(KharnessError):  # what cannot be removed now is tried again when the session closes
            self._session.remove(container)

    def _attach(self, directory: ContainerDir) -> None:
        name = directory.name
        settings = self._order.settings[name]
        wanted = settings.container_name or name
        found = self._harness.engine.container(wanted)
        if found is None or not found.running:
            state = "there is no container of that name" if found is None else f"its state is {found.state}"
            raise LaunchError(
                f"{name}: production does not run: {state}; 'pytest {directory.path} --ready --launch' does"
            )
        image = self._harness.engine.image(found.image_id)
        if image is None:
            raise LaunchError(f"{name}: the image {found.image_id} of the production container is gone")
        subject = production_subject(self._harness, directory, settings, image)
        plan = plan_production_launch(subject, volume_root=self._harness.volume_root)
        facts = instance_facts(subject, plan, found, mode=Mode.IN_PROD)
        self.launched[name] = facts
        self._board.publish(name, facts=facts.to_json(), timeout=settings.test.timeout)

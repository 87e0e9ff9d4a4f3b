"""Build and launch in the background while tests run, a few at a time, in the order in which tests will need them."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from kharness.errors import KharnessError, LaunchError, UsageError
from kharness.host.machine.programs import DaemonPool
from kharness.ops.gate.inputs import Inputs, inputs_of
from kharness.ops.harness import Harness
from kharness.ops.image.build import Built, bases_of, build
from kharness.ops.launch.subject import instance_subject, production_subject
from kharness.ops.project.production import present
from kharness.ops.session.instance import InstanceFacts, instance_facts
from kharness.ops.session.readiness import why_not_well
from kharness.ops.session.session import TestSession
from kharness.plan.image.build import build_order
from kharness.plan.launch.environment import redact
from kharness.plan.launch.life import is_done, state_text, why_stuck
from kharness.plan.launch.plan import plan_production_launch
from kharness.plan.session.modes import Mode
from kharness.plan.session.readiness import plan_test_readiness
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

AHEAD = 2
"""How many instances may wait for their tests, as a multiple of the launches in parallel."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the pipeline is asked for: directories in the order of their tests, and how to build."""

    directories: tuple[ContainerDir, ...]
    settings: Mapping[str, Settings]
    mode: Mode
    rebuild: bool = False
    no_build: bool = False


class Pipeline:
    """Gives `publish` a notice about every directory: its instance's facts, or why there is none."""

    def __init__(
        self,
        harness: Harness,
        session: TestSession,
        publish: Callable[..., None],
        order: Order,
        *,
        first_release: Callable[[ContainerDir], None],
    ) -> None:
        self.built: dict[str, Built] = {}
        self.inputs: dict[str, Inputs] = {}
        self.launched: dict[str, InstanceFacts] = {}
        self.errors: dict[str, str] = {}
        self.bases: dict[str, frozenset[str]] = {}
        self.seconds: dict[str, dict[str, float]] = {}
        """By directory, how long its build and the start of its instance took."""
        self._ends: dict[str, Future[str]] = {}
        self._harness = harness
        self._session = session
        self._publish = publish
        self._order = order
        self._first_release = first_release
        self._pool = DaemonPool(harness.host.launch_parallel)
        # Of their own: launches that wait for room would keep out the removals that make some.
        self._removals = DaemonPool(harness.host.launch_parallel)
        self._notices: dict[str, Future[None]] = {directory.name: Future() for directory in order.directories}
        self._first = threading.Lock()
        self._changed = threading.Condition()
        # All of these change under the condition, as do `built` and `errors`.
        self._ahead: set[str] = set()
        self._wanted: set[str] = set()
        self._begun: set[str] = set()
        self._stopped = False

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

    def want(self, name: str) -> Future[None] | None:
        """Let a directory go ahead, because its tests wait; returns what is done with its notice, None without one."""
        with self._changed:
            if name in self._notices:
                self._wanted.add(name)
                self._changed.notify_all()
        return self._notices.get(name)

    def done_with(self, name: str, *, keep: bool) -> None:
        """Let an instance go in the background: its last test is over."""
        facts = self.launched.get(name)
        if facts is None or self._order.mode is Mode.IN_PROD:
            return
        if keep:
            self._session.keep(facts.container)
        end = self._ends[name] = Future()
        self._removals.submit(partial(self._finish, name, facts.container, end))

    def end_of(self, name: str) -> str:
        """Return why an instance was not well after its last test, as the end of a sentence; empty where it was.

        Waits until it was checked.
        """
        end = self._ends.get(name)
        return end.result() if end is not None else ""

    def look_at_the_rest(self) -> None:
        """Look at the instances whose last test was never heard of; to be called before anything is removed."""
        for name, facts in self.launched.items() if self._order.mode is not Mode.IN_PROD else ():
            if name not in self._ends:
                end = self._ends[name] = Future()
                end.set_result(self._look(name, facts.container))

    def close(self, *, wait: bool) -> None:
        """Start nothing more; `wait` for the launches under way, unless the session was interrupted."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if wait:
            self._pool.join()

    def await_removals(self) -> None:
        """Wait until the instances that were let go are gone; no further ones may be let go."""
        self._removals.join()

    def _submit(self, name: str, task: Callable[[ContainerDir], None], directory: ContainerDir) -> None:
        self._pool.submit(partial(self._guarded, name, task, directory))

    def _guarded(self, name: str, task: Callable[[ContainerDir], None], directory: ContainerDir) -> None:
        with self._changed:
            self._begun.add(name)
            self._changed.notify_all()
        if self._stopped:
            return
        try:
            task(directory)
        except KharnessError as error:
            self._fail(name, str(error))
        except Exception:  # noqa: BLE001 - a thread must not die silently: its tests wait for the notice
            self._fail(name, f"{name}: an error inside kharness, please report it:\n{traceback.format_exc()}")

    def _fail(self, name: str, text: str) -> None:
        with self._changed:
            self.errors[name] = text
            self._ahead.discard(name)
            self._changed.notify_all()
        if not self._stopped:
            self._harness.report(name, self._failed(name))
        self._notify(name, error=text)

    def _ready(self, name: str, facts: InstanceFacts) -> None:
        self.launched[name] = facts
        self._notify(name, facts=facts.to_json(), timeout=self._order.settings[name].test.timeout)

    def _notify(self, name: str, **notice: Any) -> None:
        self._publish(name, **notice)
        self._notices[name].set_result(None)

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
        began = time.monotonic()
        built = built_already(self._harness, directory, settings) if self._order.no_build else None
        if built is None:
            built = build(self._harness, directory, settings, rebuild=self._order.rebuild, candidates=candidates)
        with self._changed:
            self.built[name] = built
            self._changed.notify_all()
        self.seconds[name] = {"build": time.monotonic() - began}
        self.inputs[name] = inputs_of(self._harness, directory, settings, built, mode=self._order.mode)
        if not self._may_launch(name):
            return
        self._harness.report(name, "launching a test instance")
        subject = instance_subject(directory, settings, built.image)
        try:
            facts = self._session.launch(subject, needs=self._session.needs(settings))
        except KharnessError as error:
            # A container that fails may print all that it was given.
            raise LaunchError(redact(str(error), subject.hidden)) from error
        self.seconds[name]["ready"] = facts.ready_after
        self._harness.report(name, f"ready after {facts.ready_after:.1f} s")
        self._ready(name, facts)

    def _candidates(self, name: str) -> dict[str, str]:
        """Wait for the bases: those of this session are built on, others need a `:live` image first."""
        found = {}
        for base in sorted(self.bases[name]):
            if base not in self._notices:
                self._ensure_live(name, base)
                continue
            with self._changed:
                self._changed.wait_for(partial(self._is_over, base))
            if base not in self.built:
                raise LaunchError(f"{name}: its base {base} could not be built")
            found[base] = self.built[base].image.id
        return found

    def _is_over(self, base: str) -> bool:
        return base in self.built or base in self.errors or self._stopped

    def _ensure_live(self, name: str, base: str) -> None:
        # The second directory that needs the base finds its image, or the same reason why there is none.
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
                if self._harness.engine.image(self._harness.tags(base).live) is None:
                    # The exit status alone is no evidence.
                    raise LaunchError(f"{base}: its first release ended without an error, and nothing is live")
            except KharnessError as error:
                self.errors[base] = str(error)
                raise
            self._harness.report(name, f"its base {base} is live now")

    def _may_launch(self, name: str) -> bool:
        """Wait until few enough instances are ahead of their tests; False where the session ends before."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(name) or self._stopped)
            self._ahead.add(name)
            return not self._stopped

    def _has_room(self, name: str) -> bool:
        # A worker may run directories in another order than they were collected in: the wanted one goes ahead, and so
        # do those that it is queued behind.
        few = len(self._ahead) < self._harness.host.launch_parallel * AHEAD
        return few or name in self._wanted or not self._wanted <= self._begun

    def _look(self, name: str, container: str) -> str:
        settings = self._order.settings[name]
        image = self.built[name].image
        hidden: frozenset[str] = frozenset()
        try:
            directory = next(each for each in self._order.directories if each.name == name)
            hidden = instance_subject(directory, settings, image).hidden
            why = why_not_well(self._harness.engine, container, plan_test_readiness(settings, image))
        except KharnessError as error:
            why = f"could not be checked: {error}"
        return redact(f"{why}; a test that stops it needs the fixture private_container", hidden) if why else ""

    def _finish(self, name: str, container: str, end: Future[str]) -> None:
        end.set_result(self._look(name, container))
        with self._changed:
            self._ahead.discard(name)
            self._changed.notify_all()
        with suppress(KharnessError):  # what cannot be removed now is tried again when the session closes
            self._session.remove(container)

    def _attach(self, directory: ContainerDir) -> None:
        self._ready(
            directory.name, running_in_production(self._harness, directory, self._order.settings[directory.name])
        )


def built_already(harness: Harness, directory: ContainerDir, settings: Settings) -> Built:
    """Return `:latest` as it is, for a session that builds nothing; raises `UsageError` where there is none."""
    name, tag = directory.name, harness.tags(directory.name).latest
    image = harness.engine.image(tag)
    if image is None:
        raise UsageError(f"{name}: --no-build tests :latest, and there is no {tag}")
    digest = image.labels.get("kharness.digest", image.id)
    return Built(name=name, image=image, digest=digest, fresh=False, built=settings.image is None)


def running_in_production(harness: Harness, directory: ContainerDir, settings: Settings) -> InstanceFacts:
    """Return what tests must know of the production container; raises `LaunchError` where it does not run."""
    name = directory.name
    found = present(harness, name)
    if found is not None and (stuck := why_stuck(found)):
        raise LaunchError(f"{name}: production does not run: it {stuck}")
    done = found is not None and settings.may_end and is_done(found)
    if found is None or not (found.running or done):
        state = "there is no container of it" if found is None else f"it {state_text(found)}"
        raise LaunchError(f"{name}: production does not run: {state}; 'pytest {directory.path} --ready --launch' does")
    image = harness.engine.image(found.image_id)
    if image is None:
        raise LaunchError(f"{name}: the image {found.image_id} of the production container is gone")
    subject = production_subject(harness, directory, settings, image)
    plan = plan_production_launch(subject, volume_root=harness.volume_root)
    return instance_facts(subject, plan, found, mode=Mode.IN_PROD)

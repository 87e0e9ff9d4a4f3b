"""A development instance: the newest build, isolated as a test instance is, in the foreground of a terminal."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from kharness.errors import KharnessError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.launch.subject import instance_subject
from kharness.ops.session.debug import shell_of_image
from kharness.ops.session.readiness import wait_ready
from kharness.ops.session.reap import reap
from kharness.ops.session.session import Created, TestSession
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.docker_line import HIDDEN
from kharness.plan.launch.origins import refusals
from kharness.plan.launch.plan import Subject
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.debug import development_name, plan_development
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.settings.layers import SettingsLayer

POLL = 0.05
STARTING = 30.0
"""Seconds that an engine may take to start a container before that is given up."""


@dataclass(frozen=True, kw_only=True)
class Development:
    """A development instance that was created: its name, its id, what it was planned as."""

    harness: Harness
    session: TestSession
    subject: Subject
    created: Created

    @property
    def spec(self) -> RunSpec:
        """What it was created as."""
        return self.created.plan.spec

    def started(self, going: Callable[[], bool]) -> None:
        """Wait until it runs, or has ended, or is not `going` to be started, and check that it is isolated."""
        deadline = time.monotonic() + STARTING
        engine = self.harness.engine
        while going() and time.monotonic() < deadline:
            found = engine.container(self.created.id)
            if found is None or found.state == "exited":
                return
            if found.running:
                self.session.check(self.created)
                return
            time.sleep(POLL)

    def watch(self) -> None:
        """Report when it becomes ready, and where it is; in a thread of its own, which is not waited for."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        name, engine = self.spec.name, self.harness.engine
        try:
            found = engine.container(self.created.id)
            address = next(iter(found.addresses.values()), "") if found else ""
            timeout = self.harness.host.ready_timeout
            took = wait_ready(engine, self.created.id, self.created.plan.ready, spec=self.spec, timeout=timeout)
            self.harness.report(name, f"ready after {took:.1f} s{f', at {address}' if address else ''}")
        except KharnessError as error:
            still = engine.container(self.created.id)
            if still is not None and still.running:
                self.harness.report(name, str(error).partition("\n")[0])


@contextmanager
def development(
    harness: Harness, directory: ContainerDir, *, above: tuple[SettingsLayer, ...], shell: bool, tty: bool
) -> Iterator[Development]:
    """Create an instance of the newest build, and remove it with all that belongs to it at the end.

    Its volumes are those of a test instance with production's data, its network is its own. Raises `SettingsError`,
    `UsageError`, `LaunchError`, `EngineError`, `HostError`.
    """
    subject = development_subject(harness, directory, above=above, shell=shell)
    reap(harness)
    session = TestSession(harness, session=secrets.token_hex(3), mode=Mode.PROD_READY, may_restart=False)
    change = change_of(harness, subject, shell=shell, tty=tty)
    try:
        created = session.create(
            subject,
            name=development_name(subject.name, session.id),
            needs=session.needs(subject.settings),
            change=change,
        )
        for doubt in sorted(session.doubts):
            harness.report(subject.name, doubt)
        yield Development(harness=harness, session=session, subject=subject, created=created)
    finally:
        session.close()


def development_subject(
    harness: Harness, directory: ContainerDir, *, above: tuple[SettingsLayer, ...], shell: bool
) -> Subject:
    """Return what a development instance is of; raises `UsageError` for what has no say, and without a build."""
    if reasons := refusals(above, development=True, with_shell=shell):
        raise UsageError("\n".join(reasons))
    settings = harness.settings(directory, above=above)
    return instance_subject(directory, settings, latest_image(harness, directory.name))


def latest_image(harness: Harness, name: str) -> ImageFacts:
    """Return the newest build; `UsageError` says what to do where there is none."""
    found = harness.engine.image(harness.tags(name).latest)
    if found is None:
        raise UsageError(f"{name}: there is no {harness.tags(name).latest} yet; 'kharness build {name}' makes an image")
    return found


def change_of(harness: Harness, subject: Subject, *, shell: bool, tty: bool) -> Callable[[RunSpec], RunSpec]:
    """Return what makes a test instance's plan one for development; `EngineError` where a shell is missed."""
    found = shell_of_image(harness, subject.name, subject.image) if shell else ()
    return partial(plan_development, shell=found, tty=tty)


def plan_line(
    harness: Harness, directory: ContainerDir, *, above: tuple[SettingsLayer, ...], shell: bool, tty: bool
) -> RunSpec:
    """Return what would be created.

    Words stand in place of what differs from instance to instance, and of `env_file`'s values.
    """
    subject = development_subject(harness, directory, above=above, shell=shell)
    session = TestSession(harness, session="SESSION", mode=Mode.PROD_READY)
    plan = session.plan(subject, name=development_name(subject.name, "SESSION"), network="kharness-SESSION")
    shown = {key: HIDDEN if key in subject.env else value for key, value in plan.spec.environment.items()}
    return change_of(harness, subject, shell=shell, tty=tty)(replace(plan.spec, labels={}, environment=shown))

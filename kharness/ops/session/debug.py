"""Containers to look around in beside production, and development instances in the foreground of a terminal.

Where a container or its image has a shell, that one is found and used.
"""

from __future__ import annotations

import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import get_args

from kharness.engine.api import Engine
from kharness.errors import EngineError, KharnessError, UsageError
from kharness.host.image.base import Family, ensure_base
from kharness.ops.harness import Harness
from kharness.ops.image.contents import make_helper
from kharness.ops.image.recipe import ROOT_FACT
from kharness.ops.launch.subject import instance_subject
from kharness.ops.project.production import must_run
from kharness.ops.session.readiness import wait_ready
from kharness.ops.session.reap import reap
from kharness.ops.session.session import Created, TestSession
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.launch.docker_line import HIDDEN
from kharness.plan.launch.origins import refusals
from kharness.plan.launch.plan import Subject
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.debug import (
    PATH,
    SHAREABLE,
    argv_of,
    development_name,
    ipc_mode,
    plan_debug,
    plan_development,
)
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.settings.layers import SettingsLayer

SHELLS = (
    ("/bin/bash",),
    ("/usr/local/bin/bash",),
    ("/bin/ash",),
    ("/bin/sh",),
    ("/bin/dash",),
    ("/busybox/sh",),
    ("/bin/busybox", "sh"),
)
"""Where shells are, the one that people like best first."""
NOWHERE = f"there is no shell in it (looked for {', '.join(shell[0] for shell in SHELLS)})"


def shell_in(engine: Engine, container: str) -> tuple[str, ...] | None:
    """Return the command of a shell that a container has, running or not; None where it has none of the usual."""
    return next((shell for shell in SHELLS if is_program(engine, container, shell[0])), None)


def is_program(engine: Engine, container: str, path: str) -> bool:
    """Whether a container has a file, or a link, at a path."""
    found = engine.stat(container, path)
    return found is not None and (stat.S_ISREG(found.mode) or stat.S_ISLNK(found.mode))


def shell_of_container(harness: Harness, name: str, container: str) -> tuple[str, ...]:
    """Return the command of a shell in a container of the directory; `EngineError` says what can be done without."""
    found = shell_in(harness.engine, container)
    if found is None:
        raise EngineError(f"{name}: {NOWHERE}; 'kharness exec {name} PROGRAM' runs what there is")
    return found


def shell_of_image(harness: Harness, name: str, image: ImageFacts) -> tuple[str, ...]:
    """Return the command of a shell in an image of the directory; `EngineError` where there is none."""
    with ExitStack() as stack:
        found = shell_in(harness.engine, make_helper(harness, stack, image, "shell"))
    if found is None:
        raise EngineError(f"{name}: image {short_id(image.id)}: {NOWHERE}")
    return found


NSENTER = ("/usr/bin/nsenter", "/bin/nsenter", "/usr/sbin/nsenter")


def debug(harness: Harness, name: str, words: tuple[str, ...], *, image: str | None, tty: bool) -> tuple[str, ...]:
    """Return the words of the `docker run` that looks into the running container of a directory.

    `words` are what is run there; without any, a shell. `image` is where tools come from: else what the host's
    configuration names, else this host's base image. Raises `ContainerMissingError`, `EngineError`, `HostError`.
    """
    found = must_run(harness, name)
    tools = tools_image(harness, name, image or harness.host.debug_image)
    with ExitStack() as stack:
        helper = make_helper(harness, stack, tools, "tools")
        argv = shell = shell_in(harness.engine, helper)
        if words:
            argv = argv_of(words, has=partial(_has, harness, helper), shell=shell or ("/bin/sh",))
        nsenter = next((path for path in NSENTER if is_program(harness.engine, helper, path)), None)
    if argv is None and words:
        which = next(iter(tools.tags), short_id(tools.id))
        advice = "--image names another one, and 'debug_image' in the host's configuration one for always"
        raise EngineError(f"{name}: image {which} has no program {words[0]}; {advice}")
    if argv is None:
        raise EngineError(f"{name}: image {short_id(tools.id)}: {NOWHERE}; --image names another one")
    if nsenter is None and ipc_mode(found) != SHAREABLE:
        harness.report(name, "its ipc namespace is private, and the image has no nsenter to join it")
    return plan_debug(
        found,
        tools,
        argv,
        name=f"{name}-debug-{secrets.token_hex(3)}",
        owner=harness.owner.labels(),
        nsenter=nsenter,
        tty=tty,
    )


def _has(harness: Harness, helper: str, program: str) -> bool:
    if "/" in program:
        # A path may lead through links, or into the container that is looked into.
        return True
    return any(is_program(harness.engine, helper, f"{directory}/{program}") for directory in PATH)


def tools_image(harness: Harness, name: str, ref: str | None) -> ImageFacts:
    """Return the image that tools come from, pulled or made first where the engine lacks it."""
    engine = harness.engine
    if ref is not None:
        return engine.image(ref) or engine.pull(ref, progress=harness.details(name))
    known = harness.host.base or harness.state.engine_fact(ROOT_FACT)
    family: Family | None = next((each for each in get_args(Family) if each == known), None)
    base = ensure_base(engine, family=family, progress=partial(harness.report, name))
    found = engine.image(base.id)
    if found is None:
        raise EngineError(f"{name}: the base image {base.ref} vanished")
    return found


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
    image = latest_image(harness, directory.name)
    return instance_subject(directory, settings, image, origin=harness.origin(directory.name))


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

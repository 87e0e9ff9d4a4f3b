"""Look into a container that has neither shell nor tools, from another one that has them.

Where a container or its image has a shell, that one is found and used.
"""

from __future__ import annotations

import secrets
import stat
from contextlib import ExitStack
from functools import partial
from typing import get_args

from kharness.engine.api import Engine
from kharness.errors import EngineError
from kharness.host.image.base import Family, ensure_base
from kharness.ops.harness import Harness
from kharness.ops.image.build import ROOT_FACT
from kharness.ops.image.contents import make_helper
from kharness.ops.project.production import must_run
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.session.debug import PATH, SHAREABLE, argv_of, ipc_mode, plan_debug

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

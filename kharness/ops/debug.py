"""Look into a container that has neither shell nor tools, from another one that has them."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from functools import partial
from typing import get_args

from kharness.errors import EngineError
from kharness.host.base import Family, ensure_base
from kharness.ops.build import ROOT_FACT
from kharness.ops.harness import Harness
from kharness.ops.helper import make_helper
from kharness.ops.present import must_run
from kharness.ops.shells import NOWHERE, is_program, shell_in
from kharness.plan.debug import SHAREABLE, ipc_mode, plan_debug
from kharness.plan.facts import ImageFacts, short_id

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
        argv = words or shell_in(harness.engine, helper)
        nsenter = next((path for path in NSENTER if is_program(harness.engine, helper, path)), None)
    if not argv:
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


def tools_image(harness: Harness, name: str, ref: str | None) -> ImageFacts:
    """Return the image that tools come from, pulled or made first where the engine lacks it."""
    engine = harness.engine
    if ref is not None:
        return engine.image(ref) or engine.pull(ref, progress=harness.details(name))
    known = harness.host.base or harness.state.fact(ROOT_FACT)
    family: Family | None = next((each for each in get_args(Family) if each == known), None)
    base = ensure_base(engine, family=family, progress=partial(harness.report, name))
    found = engine.image(base.id)
    if found is None:
        raise EngineError(f"{name}: the base image {base.ref} vanished")
    return found

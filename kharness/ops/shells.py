"""Which shell there is in a container or an image."""

from __future__ import annotations

import stat
from contextlib import ExitStack

from kharness.engine.api import Engine
from kharness.errors import EngineError
from kharness.ops.harness import Harness
from kharness.ops.helper import make_helper
from kharness.plan.facts import ImageFacts, short_id

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

"""Containers of kharness's own making that are created and never started: places to look at, or to plant something."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from functools import partial

from kharness.ops.harness import Harness
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.runspec import Attachment, RunSpec


def make_helper(harness: Harness, stack: ExitStack, image: ImageFacts, what: str, *, directory: str = "/") -> str:
    """Create a container of an image and return its id; it is removed with the stack, or by whoever reaps.

    `directory` is its working directory, which Docker makes at once. Raises `EngineError`.
    """
    spec = RunSpec(
        name=f"kharness-{what}-{secrets.token_hex(4)}",
        image=image.id,
        # Never started; an image without a command has to be told one.
        command=("none",),
        working_dir=directory,
        networks=(Attachment(network="none"),),
        labels={**labels.silenced(image.labels), labels.ROLE: labels.ROLE_TEST, **harness.owner.labels()},
    )
    container = harness.engine.create(spec)
    stack.callback(partial(harness.engine.remove, container, force=True))
    return container

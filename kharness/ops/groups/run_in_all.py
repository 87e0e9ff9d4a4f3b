"""Run a command in all production containers that run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from kharness.ops.fleet import Group, worked
from kharness.ops.groups.fleet import Fleet, running
from kharness.ops.harness import Harness
from kharness.ops.present import must_run
from kharness.plan.fleet import Hold, plan_course

TIMEOUT, MARGIN = 60.0, 10.0
"""Seconds that the command may take, and that everything around it may take besides."""


def run_in_all(fleet: Fleet, words: Sequence[str], *, user: str | None = None, timeout: float | None = None) -> Group:
    """Return the group of all that runs, in no order, whether its settings can be read or not. Raises `EngineError`."""
    limit = timeout or TIMEOUT
    names, unknown = running(fleet.harness)
    return Group(
        command="run-in-all",
        course=plan_course(dict.fromkeys(names), {}),
        hold=Hold.NOTHING,
        timeout=limit + MARGIN,
        work=lambda name, _: fleet.forked(name, partial(run_in, name=name, words=words, user=user, timeout=limit)),
        would=lambda _: f"would run {shlex.join(words)}",
        left_out=unknown,
        needs_settings=False,
    )


def run_in(harness: Harness, name: str, *, words: Sequence[str], user: str | None, timeout: float) -> dict[str, Any]:
    """Run a command in one of them; what it prints is part of what is returned, and is printed as well.

    Raises `EngineError` where it does not run any more.
    """
    found = must_run(harness, name)
    try:
        done = harness.engine.exec(found.id, words, user=user, timeout=timeout)
    except TimeoutError:
        return worked(f"still runs after {timeout:g} s, and goes on: an engine cannot end it", failed=True)
    sys.stdout.write(f"{done.stdout}{done.stderr}")
    text = "done" if done.ok else f"exit status {done.exit_code}"
    return worked(text, failed=not done.ok, exit_code=done.exit_code, stdout=done.stdout, stderr=done.stderr)

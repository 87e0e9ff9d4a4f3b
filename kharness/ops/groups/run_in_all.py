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

COMMAND = "run-in-all"
TIMEOUT, MARGIN = 60.0, 10.0
"""Seconds that the command may take, and that everything around it may take besides."""
MOST = 1 << 20
"""Characters of its output, and of its errors, that are returned."""


def run_in_all(fleet: Fleet, words: Sequence[str], *, user: str | None = None, timeout: float | None = None) -> Group:
    """Return the group of all that runs, in no order, whether its settings can be read or not. Raises `EngineError`."""
    limit = timeout or TIMEOUT
    names, unknown = running(fleet.harness)
    return Group(
        command=COMMAND,
        course=plan_course(dict.fromkeys(names), {}),
        hold=Hold.NOTHING,
        timeout=limit + MARGIN,
        work=lambda name, _: fleet.forked(name, partial(run_in, name=name, words=words, user=user, timeout=limit)),
        would=lambda _: f"would run {shlex.join(words)}",
        left_out=unknown,
        needs_settings=False,
    )


def run_in(harness: Harness, name: str, *, words: Sequence[str], user: str | None, timeout: float) -> dict[str, Any]:
    """Run a command in one of them; what it prints is part of what is returned, at most `MOST`, and is printed as well.

    Raises `EngineError` where it does not run any more.
    """
    found = must_run(harness, name)
    try:
        done = harness.engine.exec(found.id, words, user=user, timeout=timeout)
    except TimeoutError:
        return worked(f"still runs after {timeout:g} s, and goes on: an engine cannot end it", failed=True)
    sys.stdout.write(f"{done.stdout}{done.stderr}")
    text = "done" if done.ok else f"exit status {done.exit_code}"
    streams = {"stdout": done.stdout, "stderr": done.stderr}
    log = harness.output / COMMAND / f"{name}.log"
    return worked(
        text,
        failed=not done.ok,
        notes=[
            f"only the first {MOST} of {len(printed)} characters of its {stream} are here, all are in {log}"
            for stream, printed in streams.items()
            if len(printed) > MOST
        ],
        exit_code=done.exit_code,
        **{stream: printed[:MOST] for stream, printed in streams.items()},
    )

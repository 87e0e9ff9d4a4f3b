"""Lines of the container's log."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from kharness.ops.expect.until import unmet, until
from kharness.ops.instance import Instance
from kharness.ops.waiting import NotYetError, pauses
from kharness.plan.expected import Text, has, told

SILENT = "none"
"""The log driver that keeps nothing."""


def expect_log(
    instance: Instance,
    *,
    seen: Text | None = None,
    never: Text | None = None,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Expect a line with `seen` in the log, and until then, or else for the whole time, none with `never`.

    The log is all that the engine has kept of this container. Raises `ExpectationError`, at once when a line is there
    that never should be.
    """
    wanted = " and ".join(
        [*([] if seen is None else [f"a line {told(seen)}"]), *([] if never is None else [f"no line {told(never)}"])]
    )
    failure = partial(unmet, f"{wanted} in the log", timeout=timeout, hidden=instance.secrets)

    def look(_left: float = 0.0) -> None:
        lines = instance.logs().splitlines()
        if not lines and _driver(instance) == SILENT:
            raise failure(seen=f"its log driver is {SILENT}, so nobody can read what it writes")
        if never is not None and (found := [line for line in lines if has(line, never)]):
            raise failure(seen=found[0])
        if seen is not None and not any(has(line, seen) for line in lines):
            raise NotYetError(f"{len(lines)} lines, the last: {lines[-1]}" if lines else "the log is empty")

    if seen is not None:
        hidden = instance.secrets
        until(look, wanted=f"{wanted} in the log", timeout=timeout, hidden=hidden, clock=clock, sleep=sleep)
        return
    deadline = clock() + timeout
    for pause in pauses():
        left = deadline - clock()
        look()
        if left <= 0:
            return
        sleep(min(pause, left))


def _driver(instance: Instance) -> object:
    return instance.inspect().get("HostConfig", {}).get("LogConfig", {}).get("Type")

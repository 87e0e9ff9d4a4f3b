"""Wait until an expectation holds, or its time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from kharness.errors import ExpectationError
from kharness.ops.session.readiness import NotYetError, pauses
from kharness.plan.expect import shortened
from kharness.plan.launch.environment import redact

Found = TypeVar("Found")
SHORTEST = 1.0
"""The least number of seconds for one attempt, even when the time is nearly over."""


def until(
    look: Callable[[float], Found],
    *,
    wanted: str,
    timeout: float,
    hidden: Iterable[str] = (),
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Found:
    """Return the result of `look`, which gets the seconds that it may take, and raises `NotYetError` to be repeated.

    Raises `ExpectationError` after `timeout` seconds, with `hidden` values redacted. There is at least one attempt, and
    a last one when the time is over.
    """
    deadline = clock() + timeout
    for pause in pauses():
        left = deadline - clock()
        try:
            return look(max(left, SHORTEST))
        except NotYetError as error:
            seen = str(error)
        except TimeoutError as error:
            seen = f"no answer in time: {error}"
        if left <= 0 or clock() > deadline:
            raise unmet(wanted, seen=seen, timeout=timeout, hidden=hidden)
        sleep(min(pause, max(deadline - clock(), 0)))
    raise AssertionError("the pauses do not end")


def unmet(wanted: str, *, seen: str, timeout: float, hidden: Iterable[str] = ()) -> ExpectationError:
    """Return the error with what was expected, within which time, and what was seen."""
    # Redact first: a secret that is cut would not be recognized.
    expected = redact(f"expected {wanted} within {timeout:g} s", hidden)
    return ExpectationError(f"{expected}\nseen: {shortened(redact(seen, hidden).strip())}")

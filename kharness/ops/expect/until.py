"""Look until an expectation holds or its time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from kharness.errors import ExpectationError
from kharness.ops.waiting import NotYetError, pauses
from kharness.plan.expected import shortened
from kharness.plan.secrets import redact

Found = TypeVar("Found")
SHORTEST = 1.0
"""Seconds that a look gets even when time is nearly up: one that is cut short sees nothing."""


def until(
    look: Callable[[float], Found],
    *,
    wanted: str,
    timeout: float,
    hidden: Iterable[str] = (),
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Found:
    """Return what `look` returns; it gets the seconds that it may take, and raises `NotYetError` to be called again.

    Raises `ExpectationError` after `timeout` seconds; `hidden` are values that it does not tell. At least one look is
    taken, and the last one when the time is over.
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
    """Return the error: what was expected within which time, and what was seen."""
    # Hidden first: a value that was cut is another text.
    expected = redact(f"expected {wanted} within {timeout:g} s", hidden)
    return ExpectationError(f"{expected}\nseen: {shortened(redact(seen, hidden).strip())}")

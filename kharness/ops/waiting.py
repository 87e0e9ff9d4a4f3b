"""Look again and again until something holds, in pauses that grow."""

from __future__ import annotations

from collections.abc import Iterator

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.25
"""Seconds between two looks; the pause grows by a tenth each time."""


class NotYetError(Exception):
    """The look says no; the text says what it saw."""


def pauses() -> Iterator[float]:
    """Yield the seconds between the looks, without an end."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.1, LONGEST_PAUSE)

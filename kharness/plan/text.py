"""Sizes, times and logs as text for people."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime

STEP = 1000


def size_text(number: float) -> str:
    """Return a number of bytes in decimal units, as disks are sold: `512 bytes`, `1.5 MB`."""
    if number < STEP:
        return f"{number:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        number /= STEP
        if number < STEP:
            return f"{number:.1f} {unit}"
    return f"{number / STEP:.1f} TB"


def moment(text: str) -> datetime | None:
    """Read a time as engines write it (RFC 3339), aware of its zone.

    None for an empty text, a time without a zone, and a year out of range.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def whole_seconds(seconds: float | None) -> int | None:
    """Return a time as an engine takes it, rounded up to whole seconds."""
    return None if seconds is None else math.ceil(seconds)


LONGEST = 4
"""Lines of a pattern at the most."""
FEWEST = 4
"""Repetitions from which on only the first and the last are shown."""
READ = 10
"""Times as many lines of a log are read as are shown."""
_NUMBER = re.compile(r"[0-9a-fA-F]*\d[0-9a-fA-F]*")


def last_lines(text: str, most: int) -> list[str]:
    """Return the last lines of a log, at most so many, with repeated lines counted instead of shown."""
    return list(_without_repeats(text.splitlines()))[-most:]


def _without_repeats(lines: Sequence[str]) -> Iterator[str]:
    # Times, ports and ids differ from line to line.
    shapes = [_NUMBER.sub("#", line) for line in lines]
    at = 0
    while at < len(lines):
        length, times = next(
            ((length, times) for length in range(1, LONGEST + 1) if (times := _times(shapes, at, length)) >= FEWEST),
            (1, 1),
        )
        end = at + length * times
        yield from lines[at : at + length]
        if times > 1:
            what = "this line" if length == 1 else f"these {length} lines"
            yield f"({what} {times - 2} times more, with other numbers, and then)"
            yield from lines[end - length : end]
        at = end


def _times(shapes: Sequence[str], at: int, length: int) -> int:
    pattern, times = shapes[at : at + length], 1
    while shapes[at + times * length : at + (times + 1) * length] == pattern:
        times += 1
    return times

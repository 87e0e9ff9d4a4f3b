"""Times and what was written, as text for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kharness.plan.sizes import size_text

if TYPE_CHECKING:
    from kharness.plan.snapshots import Writes

MINUTE, HOUR, DAY = 60, 3600, 86400


def time_text(at: float) -> str:
    """Return seconds since the epoch as this host's date and time."""
    return datetime.fromtimestamp(at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def lasting_text(seconds: float) -> str:
    """Return how long something lasts in its greatest unit, rounded down: `45 s`, `3 min`, `7 h`, `12 days`."""
    for unit, size in (("days", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= (2 * size if unit == "days" else size):
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds // 1:.0f} s"


def writes_text(writes: Writes | None) -> str:
    """Return what was written as `3 files (12.4 kB), the newest from 2026-11-21 17:03:12: a, b, c`."""
    if writes is None:
        return "what was written cannot be told"
    if not writes.count:
        return "nothing"
    files = "1 file" if writes.count == 1 else f"{writes.count} files"
    gone = f", {writes.removed} of them removed" if writes.removed else ""
    newest = f", the newest from {time_text(writes.newest)}" if writes.newest is not None else ""
    more = f" and {writes.count - len(writes.names)} more" if writes.count > len(writes.names) else ""
    return f"{files} ({size_text(writes.size)}{gone}){newest}: {', '.join(writes.names)}{more}"

"""What a watch knows at a moment: the last scan, the alarm, and whether that is as it should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kharness.plan.alarm import MOST, Alarm
from kharness.plan.drift import Scanned

LATE = 3
"""After so many times its rate without a scan a watch is not watching."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """The state of a watch; times in seconds since the epoch, `took` and `every` in seconds.

    `problem` says why the last scan could not be made at all; `at` is when the last one that could was over.
    """

    every: float
    began: float
    found: tuple[Scanned, ...] = ()
    alarm: Alarm = field(default_factory=Alarm)
    at: float | None = None
    took: float = 0.0
    scans: int = 0
    problem: str = ""


def reasons(state: Watching, *, now: float) -> tuple[str, ...]:
    """Return why not all is ok; empty means that it is."""
    return tuple(_reasons(state, now))


def _reasons(state: Watching, now: float) -> Iterator[str]:
    if state.problem:
        yield f"nothing could be scanned: {state.problem}"
    since = state.began if state.at is None else state.at
    if now - since > LATE * state.every:
        yield f"there was no scan for {now - since:.0f} s"
    elif state.at is None and not state.problem:
        yield "there was no scan yet"
    for each in state.found:
        if each.problem:
            yield f"{each.name}: {each.problem}"
        yield from (f"{each.name}: {entry}" for entry in each.verdict.left[:MOST])
        if len(each.verdict.left) > MOST:
            yield f"{each.name}: and {len(each.verdict.left) - MOST:,} more"
    for name, raised in state.alarm.raised.items():
        now_left = {str(entry) for each in state.found if each.name == name for entry in each.verdict.left}
        for reason in raised.reasons:
            if reason not in now_left:
                yield f"{name}: {reason} (seen before, and not acknowledged)"

"""What is remembered of scans: the last scan of each container, the alarm until it is acknowledged, a watch's state.

An alarm stays until it is acknowledged, even if the change is undone meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kharness.plan.drift.changes import ScanResult

MOST = 50
"""How many reasons an alarm keeps for a container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastScan:
    """The last scan of the container with this id: when (seconds since the epoch), and how many changes were left.

    `problem` says why the scan is incomplete.
    """

    container: str
    at: float
    left: int
    problem: str = ""

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> LastScan:
        """Read what `to_json` wrote; ValueError where it is something else."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise ValueError(f"not a scan: {error}") from error


def last_scan(found: ScanResult, *, at: float) -> LastScan:
    """Return what is remembered of a scan."""
    return LastScan(container=found.id, at=at, left=len(found.verdict.left), problem=found.problem)


@dataclass(frozen=True, slots=True)
class Raised:
    """The alarm of one container: since when (seconds since the epoch), and why, the first reason first."""

    since: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """Drift that is not acknowledged, by the containers' names; false if there is none."""

    raised: Mapping[str, Raised] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.raised)

    def with_scan(self, found: Iterable[ScanResult], *, at: float) -> Alarm:
        """Return the alarm with the unexpected changes of a scan added."""
        raised = dict(self.raised)
        for each in found:
            if each.verdict.left:
                old = raised.get(each.name, Raised(at))
                reasons = dict.fromkeys((*old.reasons, *map(str, each.verdict.left)))
                raised[each.name] = Raised(old.since, tuple(reasons)[:MOST])
        return Alarm(raised)

    def news(self, before: Alarm) -> dict[str, tuple[str, ...]]:
        """Return the reasons that an earlier alarm did not have, by the containers' names."""
        found = {}
        for name, each in self.raised.items():
            known = before.raised.get(name, Raised(each.since)).reasons
            if new := tuple(reason for reason in each.reasons if reason not in known):
                found[name] = new
        return found

    def without(self, names: Iterable[str]) -> Alarm:
        """Return the alarm without these containers."""
        gone = frozenset(names)
        return Alarm({name: each for name, each in self.raised.items() if name not in gone})

    def of(self, name: str) -> tuple[str, ...]:
        """Return the reasons of one container; none without an alarm."""
        return self.raised[name].reasons if name in self.raised else ()

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps({name: [each.since, list(each.reasons)] for name, each in self.raised.items()})

    @classmethod
    def from_json(cls, text: str | None) -> Alarm:
        """Read what `to_json` wrote, None as no alarm; ValueError where it is something else."""
        try:
            stored: dict[str, Any] = json.loads(text or "{}")
            raised = {name: Raised(float(since), tuple(reasons)) for name, (since, reasons) in stored.items()}
        except (AttributeError, TypeError) as error:
            raise ValueError(f"not an alarm: {error}") from error
        return cls(raised)


LATE = 3
"""After this many intervals without a scan a watch is not ok."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchState:
    """The state of a watch; times in seconds since the epoch, `took` and `every` in seconds.

    `problem` says why the last scan failed altogether; `at` is when the last successful scan ended.
    """

    every: float
    began: float
    found: tuple[ScanResult, ...] = ()
    alarm: Alarm = field(default_factory=Alarm)
    at: float | None = None
    took: float = 0.0
    scans: int = 0
    problem: str = ""


def reasons(state: WatchState, *, now: float) -> tuple[str, ...]:
    """Return why the watch is not ok; empty means that it is."""
    return tuple(_reasons(state, now))


def _reasons(state: WatchState, now: float) -> Iterator[str]:
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

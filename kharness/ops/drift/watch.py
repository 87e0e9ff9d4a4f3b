"""Scan at a rate, and keep an alarm until it is acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from kharness.errors import KharnessError, StateError, UsageError
from kharness.ops.drift.scan import remember, running, scan
from kharness.ops.harness import Harness
from kharness.ops.release.notify import notify_drift
from kharness.plan.drift.changes import ScanResult
from kharness.plan.drift.watch import Alarm, WatchState

FACT = "alarm"

Clock = Callable[[], float]


class Watch:
    """Scans production, or the containers of these names, at each `step`; `state` may be read from any thread."""

    def __init__(self, harness: Harness, names: Sequence[str], *, every: float, clock: Clock = time.time) -> None:
        self._harness = harness
        self._names = frozenset(names)
        self._clock = clock
        self._lock = threading.Lock()
        self._state = WatchState(every=every, began=clock())

    @property
    def state(self) -> WatchState:
        """The current state; the alarm is read from the state database, where another process may acknowledge it."""
        with self._lock:
            state = self._state
        try:
            return replace(state, alarm=alarm_of(self._harness))
        except StateError as error:
            return replace(state, problem=str(error))

    def step(self) -> WatchState:
        """Scan once, raise the alarm and notify of new drift. A failure becomes part of the state."""
        began = self._clock()
        with self._lock:
            state = self._state
        try:
            found = self._scan()
            ended = self._clock()
            before = alarm_of(self._harness)
            alarm = before.with_scan(found, at=ended)
            remember(self._harness, found, at=ended)
            if alarm != before:
                self._harness.state.set_fact(FACT, alarm.to_json())
            for name, reasons in alarm.news(before).items():
                notify_drift(self._harness, name, reasons)
        except KharnessError as error:
            state = replace(state, problem=str(error))
        else:
            state = replace(state, found=found, at=ended, took=ended - began, scans=state.scans + 1, problem="")
        with self._lock:
            self._state = state
        return self.state

    def _scan(self) -> tuple[ScanResult, ...]:
        targets = running(self._harness)
        if self._names:
            targets = tuple(target for target in targets if target.name in self._names)
        missing = self._names - {target.name for target in targets}
        why = "could not be scanned: it does not run"
        gone = (ScanResult(name=name, container=name, id="", problem=why) for name in sorted(missing))
        return (*scan(self._harness, targets), *gone)


def alarm_of(harness: Harness) -> Alarm:
    """Return the alarm; raises `StateError`."""
    try:
        return Alarm.from_json(harness.state.fact(FACT))
    except ValueError as error:
        raise StateError(f"{harness.state.path}: the alarm cannot be read: {error}") from error


def acknowledge(harness: Harness, names: Sequence[str]) -> tuple[str, ...]:
    """Acknowledge the alarms of these containers, without names all alarms; returns the containers that had one.

    Raises `UsageError` for a container without an alarm.
    """
    before = alarm_of(harness)
    for name in names:
        if name not in before.raised:
            raise UsageError(f"{name}: there is nothing to acknowledge")
    gone = tuple(names) or tuple(before.raised)
    harness.state.set_fact(FACT, before.without(gone).to_json())
    return gone


def silence(harness: Harness, name: str) -> None:
    """Remove the alarm of a container that is gone. Raises `StateError`."""
    before = alarm_of(harness)
    if name in before.raised:
        harness.state.set_fact(FACT, before.without([name]).to_json())

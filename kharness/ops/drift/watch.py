"""Scan at a rate, keep an alarm until it is acknowledged, and respond: save evidence, remove files, launch anew."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kharness.errors import ContainerMissingError, HostError, KharnessError, StateError, UsageError
from kharness.host.drift.forensics import archive_layer, keep_lines, keep_text, make_store
from kharness.host.drift.layers import Inside, inside, why_blind
from kharness.ops.drift.scan import remember, running, scan
from kharness.ops.drift.scanner import layers_in
from kharness.ops.harness import Harness
from kharness.ops.project.identity import is_ours, whose
from kharness.ops.release.ledger import notify_drift
from kharness.ops.release.relaunch import relaunch
from kharness.plan.drift.changes import Action, Drifted, ScanResult
from kharness.plan.drift.watch import Alarm, WatchState
from kharness.plan.facts import ProcessFacts, short_id
from kharness.plan.session.untouched import shown
from kharness.report.drift import drift_value

_KINDS = {
    "file": (stat.S_IFREG,),
    "directory": (stat.S_IFDIR,),
    "link": (stat.S_IFLNK,),
    "fifo": (stat.S_IFIFO,),
    "socket": (stat.S_IFSOCK,),
    "device": (stat.S_IFCHR, stat.S_IFBLK),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedPath:
    """A path that should be removed: `why` it is still there, empty if it is gone."""

    path: str
    why: str = ""


def remove_drift(harness: Harness, found: ScanResult) -> tuple[RemovedPath, ...]:
    """Remove unexpected added paths, the content of a directory before the directory.

    Changed and removed paths cannot be restored here, and are reported. Raises `UsageError` on a remote engine,
    `HostError` where this user may not enter the container, `ContainerMissingError` where it was replaced.
    """
    if not harness.engine.facts().local:
        raise UsageError(f"{found.name}: --rm needs the engine's file system, and the engine is not on this host")
    before = harness.engine.container(found.id)
    if before is not None and not is_ours(harness, before):
        raise UsageError(f"{found.name}: {before.name} {whose(harness, before)}: nothing in it is removed")
    if before is None or not before.pid or not before.running:
        raise ContainerMissingError(f"{found.name}: the container no longer runs")
    with inside(before.pid) as root:
        now = harness.engine.container(found.id)
        # Process ids are reused: the root is the container's only if the process is unchanged afterwards.
        if now is None or (now.pid, now.started_at, now.state) != (before.pid, before.started_at, before.state):
            raise ContainerMissingError(f"{found.name}: the container was restarted meanwhile")
        return tuple(_removed(root, found))


def _removed(root: Inside, found: ScanResult) -> Iterator[RemovedPath]:
    deepest_first = sorted(found.verdict.left, key=lambda each: os.fsencode(each.path), reverse=True)
    for each in deepest_first:
        yield RemovedPath(path=each.path, why=_remove(root, each))


def _remove(root: Inside, found: Drifted) -> str:
    if found.kind != "added":
        return "what the image had there cannot be restored in place"
    if not found.type:
        return "its type is unknown, because only the engine's diff was read"
    reasons = [root.remove(found.path, kind) for kind in _KINDS[found.type]]
    return "" if "" in reasons else reasons[0]


REPOSITORY = "kharness-evidence"
"""Images of containers whose layers cannot be read here are `kharness-evidence/NAME:TIME`."""


def save_evidence(harness: Harness, found: ScanResult, *, at: float | None = None) -> Path:
    """Save processes, changed files, diff, state and logs of a container, and return the directory.

    It is `evidence/NAME-TIME` of the state directory, and only its owner may enter it. Raises `HostError` with all that
    could not be saved; the rest is saved nevertheless.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(at))
    directory = harness.home / "evidence" / f"{found.name}-{stamp}"
    make_store(directory)
    problems = (_kept(name, step) for name, step in _steps(harness, found, directory, stamp))
    if wrong := [problem for problem in problems if problem]:
        raise HostError("\n".join((f"{directory}: the evidence of {found.name} is incomplete", *wrong)))
    return directory


def _steps(
    harness: Harness, found: ScanResult, directory: Path, stamp: str
) -> Iterator[tuple[str, Callable[[], object]]]:
    engine, container = harness.engine, found.id
    # The most volatile evidence comes first.
    yield "processes", lambda: keep_text(directory / "processes.txt", _table(engine.processes(container)))
    yield "changed files", lambda: _keep_files(harness, found, directory, stamp)
    yield "drift", lambda: keep_text(directory / "drift.json", json.dumps(drift_value([found]), indent=2))
    yield "diff", lambda: keep_text(directory / "diff.txt", _diff(harness, container))
    yield "inspect", lambda: keep_text(directory / "inspect.json", _inspected(harness, container))
    yield "logs", lambda: keep_lines(directory / "logs.txt", (line.text for line in engine.log_lines(container)))


def _kept(name: str, step: Callable[[], object]) -> str:
    try:
        step()
    except KharnessError as error:
        return f"{name}: {error}"
    return ""


def _keep_files(harness: Harness, found: ScanResult, directory: Path, stamp: str) -> None:
    facts = harness.engine.container(found.id)
    layers = layers_in(harness.engine, facts) if facts and harness.engine.facts().local and not why_blind() else None
    if layers is not None:
        archive_layer(layers.upper, directory / "changed.tar")
        return
    reference = f"{REPOSITORY}/{found.name.lower()}:{stamp}"
    image = harness.engine.commit(found.id, reference)
    keep_text(directory / "image.txt", f"{reference} {image.id}\n")


def _diff(harness: Harness, container: str) -> str:
    return "".join(f"{change.kind} {shown(change.path)}\n" for change in harness.engine.diff(container))


def _inspected(harness: Harness, container: str) -> str:
    facts = harness.engine.container(container)
    return json.dumps(facts.raw if facts else None, indent=2)


def _table(processes: tuple[ProcessFacts, ...]) -> str:
    rows = ((each.pid, each.ppid, each.uid, each.command) for each in processes)
    return "".join("\t".join(map(str, row)) + "\n" for row in (("pid", "ppid", "uid", "command"), *rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseOptions:
    """The responses that the user asks for."""

    snapshot: bool = False
    remove: bool = False
    restart: bool = False

    @property
    def acts(self) -> bool:
        """Whether containers are changed."""
        return self.remove or self.restart


def respond(harness: Harness, found: Sequence[ScanResult], asked: ResponseOptions) -> Iterator[Action]:
    """Respond to the drift of each container, one after the other.

    A failed step ends the response for its container: nothing is removed or replaced before the evidence is safe.
    """
    steps: list[Callable[[Harness, ScanResult], Iterator[Action]]] = []
    if asked.snapshot:
        steps.append(_snapshot)
    if asked.remove:
        steps.append(_remove_files)
    if asked.restart:
        steps.append(_restart)
    for each in found:
        if not each.verdict.left:
            continue
        try:
            for step in steps:
                yield from step(harness, each)
        except KharnessError as error:
            yield Action(name=each.name, text=str(error), good=False)


def _snapshot(harness: Harness, found: ScanResult) -> Iterator[Action]:
    yield Action(name=found.name, text=f"the evidence is in {save_evidence(harness, found)}")


def _remove_files(harness: Harness, found: ScanResult) -> Iterator[Action]:
    for undone in remove_drift(harness, found):
        if undone.why:
            yield Action(name=found.name, text=f"{shown(undone.path)} stays: {undone.why}", good=False)
        else:
            yield Action(name=found.name, text=f"{shown(undone.path)} is removed")


def _restart(harness: Harness, found: ScanResult) -> Iterator[Action]:
    directory = harness.catalog.get(found.name)
    if directory is None:
        raise UsageError(f"{found.name}: there is no container directory of that name to launch it from")
    new = relaunch(harness, directory)
    yield Action(name=found.name, text=f"runs {short_id(new.image_id)} in a new container")


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

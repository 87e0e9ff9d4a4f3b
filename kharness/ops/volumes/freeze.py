"""Pause or stop production while its volumes are copied, never beyond the limit, even if this process is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kharness.engine.guard import Guard, start_request, unpause_request
from kharness.errors import KharnessError, LockedError
from kharness.host.locks import lock
from kharness.host.volumes.freeze import Standstill, abandoned, forget, note
from kharness.ops.harness import Harness
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.settings.volumes import Freeze

LOCK_TIMEOUT = 60.0
"""Seconds to wait for another session that copies the same volumes."""
RELEASE_TIMEOUT = 0.2
"""Seconds to wait for a release: it may take minutes, and swaps the very container that would stand still."""
OVERTIME = {Freeze.PAUSE: 10.0, Freeze.STOP: 120.0}
"""Seconds after the limit until the guard lets production run, if this process has not; stopping takes some."""
TRIES, PAUSE = 3, 0.5
WORDS = {Freeze.PAUSE: "was paused", Freeze.STOP: "was stopped"}


@dataclass(slots=True)
class Stood:
    """How production stood still: which containers, how, for how many seconds; `cut_short` when the limit ended it.

    `why` is the reason why a container went on.
    """

    names: tuple[str, ...] = ()
    how: Freeze = Freeze.NONE
    seconds: float = 0.0
    cut_short: bool = False
    why: str = ""

    def __str__(self) -> str:
        if not self.names:
            return self.why
        said = f"{', '.join(self.names)} {WORDS[self.how]} for {self.seconds:.2f} s"
        late = ", which the copy outlasted: it is not of one moment" if self.cut_short else ""
        return "; ".join(filter(None, (f"{said}{late}", self.why)))


@contextmanager
def frozen(harness: Harness, containers: Iterable[ContainerFacts], how: Freeze, *, limit: float) -> Iterator[Stood]:
    """Pause or stop containers for the block, and let them run again `limit` seconds later at the latest.

    The seconds are known when the block is left. Containers that do not run by then, or were paused by another process,
    stay as they are; a container that is being released goes on, which is reported. Raises `LockedError` when another
    session copies for a minute, `EngineError` and `HostError`; then, too, all run again.
    """
    with ExitStack() as stack:
        chosen = sorted(containers, key=lambda each: each.name) if how is not Freeze.NONE else []
        for each in chosen:
            stack.enter_context(lock(harness.locks, f"freeze-{each.name}", timeout=LOCK_TIMEOUT))
        why = _lock_releases(harness, chosen, stack)
        # Others may have stopped, paused or replaced them while they were waited for.
        now = [] if why else [found for each in chosen if (found := harness.engine.container(each.id))]
        running = [each for each in now if each.state == "running"]
        if restarting := [each.name for each in now if each.state == "restarting"]:
            why = f"{', '.join(restarting)} is being restarted again and again, and may have written meanwhile"
        stood = Stood(tuple(each.name for each in running), how if running else Freeze.NONE, why=why)
        if running:
            stack.enter_context(_standing(harness, [each.id for each in running], stood, limit=limit))
        yield stood


def thaw_abandoned(harness: Harness) -> None:
    """Start containers again that a session had stopped when it died together with its guard, as in a power cut.

    What cannot be done is reported, and tried again by the next command.
    """
    for standstill in abandoned(_notes(harness), harness.owner):
        found = harness.engine.container(standstill.container)
        try:
            with ExitStack() as stack:
                if found is not None and _lock_releases(harness, [found], stack):
                    continue
                _let_run(harness, standstill.container, Freeze(standstill.how))
        except KharnessError as error:
            harness.report("", f"a session that is dead kept a container from running, and it cannot: {error}")
        else:
            forget(_notes(harness), standstill.container)


def _lock_releases(harness: Harness, containers: Iterable[ContainerFacts], stack: ExitStack) -> str:
    try:
        for name in sorted({each.labels[labels.NAME] for each in containers if labels.NAME in each.labels}):
            stack.enter_context(lock(harness.locks, f"release-{name}", timeout=RELEASE_TIMEOUT))
    except LockedError as error:
        return f"production went on meanwhile, because it is being released: {error}"
    return ""


@contextmanager
def _standing(harness: Harness, containers: list[str], stood: Stood, *, limit: float) -> Iterator[None]:
    how = stood.how
    request = unpause_request if how is Freeze.PAUSE else start_request
    for container in containers:
        note(_notes(harness), Standstill(container, how.value), harness.owner)
    endpoint = harness.engine.facts().endpoint
    guard = Guard(endpoint, [request(container) for container in containers], seconds=limit + OVERTIME[how])
    freezer = _Freezer(harness, how)
    timer = threading.Timer(limit, freezer.thaw)
    began = time.monotonic()
    try:
        timer.start()
        freezer.freeze(containers)
        yield
    finally:
        timer.cancel()
        stood.cut_short = freezer.thawed
        try:
            freezer.thaw_for_sure()
            for container in containers:
                forget(_notes(harness), container)
            guard.dismiss()
        finally:
            # Nothing, where it was dismissed.
            guard.call()
        stood.seconds = freezer.ended - began


class _Freezer:
    """Freezes, and thaws when the time is over or the block is."""

    def __init__(self, harness: Harness, how: Freeze) -> None:
        self.thawed = False
        self.ended = 0.0
        self._harness = harness
        self._how = how
        self._held: list[str] = []
        self._lock = threading.Lock()

    def freeze(self, containers: Iterable[str]) -> None:
        act = self._harness.engine.pause if self._how is Freeze.PAUSE else self._harness.engine.stop
        for container in containers:
            if self.thawed:
                return
            self._held.append(container)
            act(container)

    def thaw(self) -> KharnessError | None:
        """Start all containers, also those that were frozen after the limit. Returns the last failure."""
        failure = None
        with self._lock:
            for container in self._held:
                try:
                    _let_run(self._harness, container, self._how)
                except KharnessError as error:
                    failure = error
            if not self.thawed:
                self.thawed, self.ended = True, time.monotonic()
        return failure

    def thaw_for_sure(self) -> None:
        failure = self.thaw()
        for _ in range(TRIES):
            if failure is None:
                return
            time.sleep(PAUSE)
            failure = self.thaw()
        if failure is not None:
            raise failure


def _let_run(harness: Harness, container: str, how: Freeze) -> None:
    found = harness.engine.container(container)
    if found is None:
        return
    if how is Freeze.PAUSE and found.state == "paused":
        harness.engine.unpause(container)
    elif how is Freeze.STOP and not found.running:
        harness.engine.start(container)


def _notes(harness: Harness) -> Path:
    return harness.home / "frozen"

"""Let production stand still while its volumes are copied, never for longer than was said, whatever happens to us."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kharness.engine.guard import guarded, start_request, unpause_request
from kharness.errors import KharnessError
from kharness.host.locks import lock
from kharness.host.standstill import Standstill, abandoned, noted
from kharness.ops.harness import Harness
from kharness.plan.facts import ContainerFacts
from kharness.settings.stand_in import Freeze

LOCK_TIMEOUT = 60.0
"""Seconds to wait for another session that copies the same volumes."""
WORDS = {Freeze.PAUSE: "was paused", Freeze.STOP: "was stopped"}


@dataclass(slots=True)
class Stood:
    """What standing still came to: of whom, how, for how many seconds; `cut_short` when the limit ended it."""

    names: tuple[str, ...] = ()
    how: Freeze = Freeze.NONE
    seconds: float = 0.0
    cut_short: bool = False

    def __str__(self) -> str:
        if not self.names:
            return ""
        said = f"{', '.join(self.names)} {WORDS[self.how]} for {self.seconds:.2f} s"
        return f"{said}, which the copy outlasted: it is not of one moment" if self.cut_short else said


@contextmanager
def frozen(harness: Harness, containers: Iterable[ContainerFacts], how: Freeze, *, limit: float) -> Iterator[Stood]:
    """Pause or stop containers for the block, and let them run again after `limit` seconds at the latest.

    The seconds are known when the block is left. What has been paused by somebody else stays so. Raises `LockedError`,
    `EngineError` and `HostError`; then, too, all run again.
    """
    chosen = sorted((each for each in containers if each.state == "running"), key=lambda each: each.name)
    if how is Freeze.NONE or not chosen:
        yield Stood()
        return
    stood = Stood(tuple(each.name for each in chosen), how)
    request = unpause_request if how is Freeze.PAUSE else start_request
    with ExitStack() as stack:
        for each in chosen:
            stack.enter_context(lock(harness.locks, f"freeze-{each.name}", timeout=LOCK_TIMEOUT))
        for each in chosen:
            stack.enter_context(noted(_notes(harness), Standstill(each.id, how.value), harness.owner))
        stack.enter_context(guarded(harness.engine.facts().endpoint, [request(each.id) for each in chosen]))
        freezer = _Freezer(harness, [each.id for each in chosen], how)
        timer = threading.Timer(limit, freezer.thaw)
        began = time.monotonic()
        try:
            freezer.freeze()
            timer.start()
            yield stood
        finally:
            timer.cancel()
            stood.cut_short = freezer.thawed
            freezer.thaw()
            stood.seconds = (freezer.ended or time.monotonic()) - began
        freezer.refuse_failure()


def thaw_abandoned(harness: Harness) -> None:
    """Let containers run again that a session kept from it when it died together with its guard, as in a power cut."""
    for standstill in abandoned(_notes(harness), harness.owner):
        _let_run(harness, standstill.container, Freeze(standstill.how))


class _Freezer:
    """Freezes once and thaws once, whoever is first: the end of the block or the timer."""

    def __init__(self, harness: Harness, containers: list[str], how: Freeze) -> None:
        self.thawed = False
        self.ended: float | None = None
        self._harness = harness
        self._containers = containers
        self._how = how
        self._lock = threading.Lock()
        self._failure: KharnessError | None = None

    def freeze(self) -> None:
        act = self._harness.engine.pause if self._how is Freeze.PAUSE else self._harness.engine.stop
        for container in self._containers:
            act(container)

    def thaw(self) -> None:
        with self._lock:
            if self.thawed:
                return
            self.thawed = True
            for container in self._containers:
                try:
                    _let_run(self._harness, container, self._how)
                except KharnessError as error:
                    self._failure = error
            self.ended = time.monotonic()

    def refuse_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _let_run(harness: Harness, container: str, how: Freeze) -> None:
    found = harness.engine.container(container)
    if found is None:
        return
    if how is Freeze.PAUSE and found.state == "paused":
        harness.engine.unpause(container)
    elif how is Freeze.STOP and not found.running:
        harness.engine.start(container)


def _notes(harness: Harness) -> Path:
    return harness.state_dir / "frozen"

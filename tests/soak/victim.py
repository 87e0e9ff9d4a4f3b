"""A process that releases, and is killed: at a moment, or at a step."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from kharness.engine.api import Engine
from kharness.host.state.state import State
from kharness.host.volumes import snapshots
from kharness.ops.harness import Harness
from kharness.ops.release import transaction
from kharness.ops.release.target import Handler
from kharness.plan.release.steps import Step
from tests.ops.releases import READING

JOURNAL = ("begin", "decide", "end")
"""What changes the state database in a release."""
DISK = ("rename", "make_copy", "write_text", "remove_tree", "sync_filesystem")
"""What changes the disk for a snapshot of the data."""
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Place:
    """Before or after the change number `number`, counted from 0."""

    number: int
    when: str


def die() -> None:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)


class Steps:
    """Counts the steps of operations, and the changes that each makes to engine, journal and snapshots; strikes at one.

    The names of the steps go to a file, because who kills itself returns nothing.
    """

    def __init__(self, log: Path, place: Place | None, *, strike: Callable[[], None] = die) -> None:
        self._log = log
        self._place = place
        self._blow = strike
        self._number = -1

    def engine(self, engine: Engine) -> Engine:
        """Return an engine whose changes are counted."""
        return cast("Engine", _Counted(engine, self))

    def journal(self) -> None:
        """Count steps and changes to the state database and to the data's snapshots, in this process for good."""
        handler_of = transaction.handler_of

        def counted(harness: Harness, step: Step) -> Handler:
            found = handler_of(harness, step)
            ways = {way: call for way in ("do", "undo", "complete") if (call := getattr(found, way))}
            return replace(found, **{way: self.wrap(f"{way} {step.act}", call) for way, call in ways.items()})

        setattr(transaction, handler_of.__name__, counted)
        for name in JOURNAL:
            setattr(State, name, self.wrap(name, getattr(State, name)))
        for name in DISK:
            setattr(snapshots, name, self.wrap(f"snapshot {name}", getattr(snapshots, name)))

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call with its two moments."""

        def counted(*args: object, **more: object) -> object:
            self._number += 1
            # A step makes changes of its own, which are counted meanwhile.
            number = self._number
            with self._log.open("a", encoding="utf-8") as log:
                log.write(f"{name}\n")
            self._strike(number, "before")
            done = call(*args, **more)
            self._strike(number, "after")
            return done

        return counted

    def _strike(self, number: int, when: str) -> None:
        if self._place == Place(number, when):
            self._blow()


class _Counted:
    def __init__(self, engine: Engine, steps: Steps) -> None:
        self._engine = engine
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        return found if name in READING else self._steps.wrap(name, found)


def run(work: Callable[[], None], *, kill_after: float | None = None) -> int:
    """Run in a process of its own; returns its exit status, or -9 when it was killed."""
    pid = os.fork()
    if pid == 0:
        # Whatever happens, this copy of the process must not go on with what the first one does.
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001
            traceback.print_exc(file=sys.stderr)
        finally:
            sys.stderr.flush()
            os._exit(status)
    if kill_after is not None:
        time.sleep(kill_after)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)

"""Run jobs in forked processes, each with a deadline and its output in a file.

A process reports its progress and its result through a pipe. Each leads a process group: so ctrl-c reaches it only
through its parent, and its own children are killed with it. The parent must have a single thread.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Self

from kharness.errors import HostError
from kharness.host.fleet.forked import STOPPING, Job, become

WINDOW = 8 << 10
"""How many bytes at the end of a file are read."""


def last_lines(path: Path, count: int) -> tuple[str, ...]:
    """Return the last lines that are not empty; none if the file cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - WINDOW))
            text = file.read(WINDOW).decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(line.rstrip() for line in text.splitlines() if line.strip())[-count:]


GRACE = 30.0
"""Seconds in which a stopped job may undo what it began."""
TICK, SOON = 0.1, 0.01
CHUNK, CHUNKS = 1 << 16, 16
"""Bytes per read, and reads before the time is checked again; together more than a pipe holds."""
TAIL = 15
"""How many lines of its output are reported for a failed program."""
RACES = 100
"""How often other processes may take the name of a log before it is an error."""
INTERRUPTED, NOTHING = "interrupted", "it ended without a result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A progress report of a process."""

    name: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended: `value` is the result of its work, `problem` why there is none; a program has a `status`.

    `stopped` says that its deadline, or its parent, stopped it. `log` is where its output is now, `tail` the end of a
    program's output.
    """

    name: str
    seconds: float
    value: Any = None
    problem: str = ""
    status: int | None = None
    stopped: bool = False
    log: Path | None = None
    tail: tuple[str, ...] = ()


Event = Reported | Ended


@dataclass(slots=True, kw_only=True)
class _Running:
    job: Job
    pid: int
    pipe: int
    log: int
    began: float
    rest: list[bytes] = field(default_factory=list)
    closed: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    kill_at: float | None = None


class Children:
    """The child processes of this process; a context manager, for the main thread.

    Inside it a SIGINT, SIGTERM or SIGHUP stops all children, and a second signal kills them; `signal` is the first.
    """

    def __init__(self, *, grace: float = GRACE, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace = grace
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._heeded = 0
        self._before: dict[int, Any] = {}

    @property
    def running(self) -> tuple[str, ...]:
        """The names of the jobs that have not ended."""
        return tuple(self._running)

    @property
    def signal(self) -> int | None:
        """The signal that stopped all jobs."""
        return self._signals[0] if self._signals else None

    def __enter__(self) -> Self:
        for number in STOPPING:
            before = signal.getsignal(number)
            # Under nohup(1) the work goes on without a terminal.
            if number != signal.SIGHUP or before != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._heed)
        # Where SIGCHLD is ignored the kernel discards the exit status of children, waitpid(2).
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return self

    def __exit__(self, *_error: object) -> None:
        # After an error here the children may still undo what they began.
        for running in self._running.values():
            self._stop(running, INTERRUPTED)
        while self._running:
            self.wait()
        self._selector.close()
        for number, before in self._before.items():
            signal.signal(number, before)

    def start(self, job: Job) -> None:
        """Start a process; raises `HostError` if its log cannot be written, or the fork fails."""
        log = _open_log(job.log)
        sys.stdout.flush()
        sys.stderr.flush()
        pipe, theirs = os.pipe()
        own = os.getpid()
        # No signal may reach the child while it still has the handlers of this process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            pid = os.fork()
            if pid == 0:
                become(job, theirs, log, before, parent=own)
        except OSError as error:
            os.close(pipe)
            os.close(log)
            raise HostError(f"{job.name}: no process can be started: {error.strerror}") from error
        finally:
            os.close(theirs)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        with suppress(OSError):  # the child may have done that already, or ended
            os.setpgid(pid, pid)
        os.set_blocking(pipe, False)
        running = _Running(job=job, pid=pid, pipe=pipe, log=log, began=self._clock())
        self._running[job.name] = running
        self._selector.register(pipe, selectors.EVENT_READ, running)

    def wait(self, seconds: float = TICK) -> tuple[Event, ...]:
        """Return events, after at most so many seconds, and stop jobs that are past their deadline."""
        return tuple(self._events(min(seconds, TICK)))

    def _events(self, seconds: float) -> Iterator[Event]:
        leaving = any(running.closed for running in self._running.values())
        for key, _ in self._selector.select(min(seconds, SOON) if leaving else seconds):
            yield from self._read(key.data)
        self._keep_time()
        for running in tuple(self._running.values()):
            # Until it is waited for, its number, also as a group, is not reused.
            if os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if running.reason:
                    _kill(running)
                _, status = os.waitpid(running.pid, 0)
                yield from self._read(running)
                yield self._ended(running, os.waitstatus_to_exitcode(status))

    def _read(self, running: _Running) -> Iterator[Reported]:
        for _ in range(CHUNKS):
            if running.closed:
                return
            try:
                content = os.read(running.pipe, CHUNK)
            except BlockingIOError:
                return
            for message in _messages(_lines(running.rest, content)):
                if "report" in message:
                    yield Reported(name=running.job.name, what=message["report"])
                else:
                    running.result = message
            if not content:
                self._close(running)

    def _close(self, running: _Running) -> None:
        if not running.closed:
            self._selector.unregister(running.pipe)
            os.close(running.pipe)
            running.closed = True

    def _ended(self, running: _Running, status: int) -> Ended:
        self._close(running)
        del self._running[running.job.name]
        program = not callable(running.job.work)
        found, problem = running.result, running.reason
        if not problem and status < 0:
            problem = f"it was ended by {signal.Signals(-status).name}"
        elif not problem and not program:
            problem = str(found.get("problem") or INTERRUPTED) if found else NOTHING
        elif problem and found.get("problem"):
            problem = f"{problem}: {found['problem']}"
        done = "value" in found or (program and status == 0)
        where = _where(running.log, running.job.log)
        # A program that ended with 0 may still have failed: the caller judges it.
        tail = last_lines(Path(f"/proc/self/fd/{running.log}"), TAIL) if program else ()
        os.close(running.log)
        return Ended(
            name=running.job.name,
            seconds=self._clock() - running.began,
            value=found.get("value"),
            # Work that was finished before the stop counts as done.
            problem="" if done else problem,
            status=status if program else None,
            stopped=bool(running.reason) and not done,
            log=where,
            tail=tail,
        )

    def _keep_time(self) -> None:
        now = self._clock()
        if len(self._signals) > self._heeded:
            for running in self._running.values():
                if self._heeded:
                    running.kill_at = now
                else:
                    self._stop(running, INTERRUPTED)
            self._heeded = len(self._signals)
        for running in self._running.values():
            if running.kill_at is not None and now >= running.kill_at:
                _kill(running)
                running.reason += "" if running.reason.endswith("killed") else ", and killed"
            elif running.kill_at is None and now >= running.began + running.job.timeout:
                self._stop(running, f"it took longer than {running.job.timeout:g} s, and was stopped")

    def _stop(self, running: _Running, reason: str) -> None:
        if running.kill_at is None:
            running.reason = reason
            running.kill_at = self._clock() + self._grace
            with suppress(ProcessLookupError):
                os.kill(running.pid, signal.SIGTERM)

    def _heed(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)


def _lines(rest: list[bytes], content: bytes) -> Sequence[bytes]:
    # An incomplete line stays in pieces, so that a long line is joined once.
    first, *more = content.split(b"\n")
    rest.append(first)
    if not more:
        return ()
    *lines, last = (b"".join(rest), *more)
    rest[:] = [last]
    return lines


def _messages(lines: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        # A half-written message is ignored.
        with suppress(ValueError):
            yield json.loads(line)


def _kill(running: _Running) -> None:
    for send in (os.killpg, os.kill):
        with suppress(OSError):
            send(running.pid, signal.SIGKILL)


def _open_log(path: Path) -> int:
    """Open a log that only its owner may read; the previous log stays beside it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(RACES):
            with suppress(FileNotFoundError):
                path.replace(_older(path))
            # If it exists again, another process has just begun the same job.
            with suppress(FileExistsError):
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        raise FileExistsError(errno.EEXIST, "other processes keep taking its name")
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}") from error


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _where(log: int, path: Path) -> Path | None:
    # Another process that began the same job may have moved or replaced it.
    for each in (path, _older(path)):
        with suppress(OSError):
            if os.path.samestat(os.fstat(log), each.stat()):
                return each
    return None

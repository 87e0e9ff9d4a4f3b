"""Work in processes of its own: forked, each with a deadline, its output in a file.

A process tells what it does and how it ends through a pipe. Each leads a process group, so that ctrl-c reaches it once,
by whoever has started it, and so that what it has started itself ends with it where it is stopped. Whoever forks has a
single thread.
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
from kharness.host.forked import STOPPING, Job, become
from kharness.host.outputs import last_lines

GRACE = 30.0
"""Seconds in which what is stopped may put things back."""
TICK, SOON = 0.1, 0.01
CHUNK, CHUNKS = 1 << 16, 16
"""Bytes that are read at once, and how often before somebody looks at the time again; more than a pipe holds."""
TAIL = 15
"""Lines of its output that a program which failed is told with."""
RACES = 100
"""How often others may take a log's name before it is a problem."""
INTERRUPTED, NOTHING = "interrupted", "it ended without a word"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a process does now."""

    name: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended: `value` is what its work returned, `problem` why it did not; a program has a `status`.

    `stopped` says that it was told to end, by its deadline or by whoever waits. `log` is where its output is now, and
    `tail` the end of it where a program failed.
    """

    name: str
    seconds: float
    value: Any = None
    problem: str = ""
    status: int | None = None
    stopped: bool = False
    log: Path | None = None
    tail: tuple[str, ...] = ()


Event = Told | Ended


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
    """The processes that somebody has started and waits for; a context manager, in the main thread.

    Inside it SIGINT, SIGTERM and SIGHUP stop all that runs, and a second one kills it; `signal` is the first of them.
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
        """The names of those that have not ended."""
        return tuple(self._running)

    @property
    def signal(self) -> int | None:
        """The signal by which all were stopped."""
        return self._signals[0] if self._signals else None

    def __enter__(self) -> Self:
        for number in STOPPING:
            before = signal.getsignal(number)
            # What nohup(1) has begun goes on without a terminal.
            if number != signal.SIGHUP or before != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._heed)
        # Whoever ignores it and executes this lets the kernel forget how children end, waitpid(2).
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return self

    def __exit__(self, *_error: object) -> None:
        # Something else went wrong here, which is no reason to leave what they do half done.
        for running in self._running.values():
            self._stop(running, INTERRUPTED)
        while self._running:
            self.wait()
        self._selector.close()
        for number, before in self._before.items():
            signal.signal(number, before)

    def start(self, job: Job) -> None:
        """Start a process; `HostError` where its log cannot be written, or no process can be made."""
        log = _open_log(job.log)
        sys.stdout.flush()
        sys.stderr.flush()
        pipe, theirs = os.pipe()
        own = os.getpid()
        # None of them may meet a process that still has this one's handlers.
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
        with suppress(OSError):  # it may have done that already, or ended
            os.setpgid(pid, pid)
        os.set_blocking(pipe, False)
        running = _Running(job=job, pid=pid, pipe=pipe, log=log, began=self._clock())
        self._running[job.name] = running
        self._selector.register(pipe, selectors.EVENT_READ, running)

    def wait(self, seconds: float = TICK) -> tuple[Event, ...]:
        """Return what has happened, at the latest after so many seconds, and stop what is over its time."""
        return tuple(self._events(min(seconds, TICK)))

    def _events(self, seconds: float) -> Iterator[Event]:
        leaving = any(running.closed for running in self._running.values())
        for key, _ in self._selector.select(min(seconds, SOON) if leaving else seconds):
            yield from self._read(key.data)
        self._keep_time()
        for running in tuple(self._running.values()):
            # Until it is waited for, nobody else can have its number, or a group of that number.
            if os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if running.reason:
                    _kill(running)
                _, status = os.waitpid(running.pid, 0)
                yield from self._read(running)
                yield self._ended(running, os.waitstatus_to_exitcode(status))

    def _read(self, running: _Running) -> Iterator[Told]:
        for _ in range(CHUNKS):
            if running.closed:
                return
            try:
                content = os.read(running.pipe, CHUNK)
            except BlockingIOError:
                return
            for message in _messages(_lines(running.rest, content)):
                if "told" in message:
                    yield Told(name=running.job.name, what=message["told"])
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
        tail = last_lines(Path(f"/proc/self/fd/{running.log}"), TAIL) if program and not done else ()
        os.close(running.log)
        return Ended(
            name=running.job.name,
            seconds=self._clock() - running.began,
            value=found.get("value"),
            # What was done before it heard that it should stop is done.
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
    # What has no end yet stays in its pieces: a long line is put together once.
    first, *more = content.split(b"\n")
    rest.append(first)
    if not more:
        return ()
    *lines, last = (b"".join(rest), *more)
    rest[:] = [last]
    return lines


def _messages(lines: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        # What was interrupted in the middle is no message.
        with suppress(ValueError):
            yield json.loads(line)


def _kill(running: _Running) -> None:
    for send in (os.killpg, os.kill):
        with suppress(OSError):
            send(running.pid, signal.SIGKILL)


def _open_log(path: Path) -> int:
    """Open a log that only its owner may read; the one before stays beside it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(RACES):
            with suppress(FileNotFoundError):
                path.replace(_older(path))
            # Where it is there again, somebody else began the same just now.
            with suppress(FileExistsError):
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        raise FileExistsError(errno.EEXIST, "others take its name again and again")
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}") from error


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _where(log: int, path: Path) -> Path | None:
    # Whoever began the same meanwhile has moved it away, or replaced it.
    for each in (path, _older(path)):
        with suppress(OSError):
            if os.path.samestat(os.fstat(log), each.stat()):
                return each
    return None

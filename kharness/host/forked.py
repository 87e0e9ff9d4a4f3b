"""The other side of a fork: a process that does one job, says how it went, and ends."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from kharness.errors import KharnessError

Tell = Callable[[str], None]
"""Told what happens now; a detail begins with a space."""
Work = Callable[[Tell], Any]
"""Returns plain values. `KharnessError` is how it fails, and KeyboardInterrupt how it is stopped."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
CRASHED = 70
"""What a process ends with that could not even say so, sysexits(3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one process does: `work`, or the command line of a program. `timeout` in seconds."""

    name: str
    work: Work | Sequence[str]
    log: Path
    timeout: float


def become(job: Job, pipe: int, log: int, blocked: Any, *, parent: int) -> NoReturn:
    """Do the job in this new process, and end it. `blocked` signals may stay so, `parent` is who waits."""
    status = CRASHED
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        # Whoever kills the one that waits for it means this one as well. A program keeps it, prctl(2).
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(status)
        null = os.open(os.devnull, os.O_RDONLY)
        for ours, theirs in ((null, 0), (log, 1), (log, 2)):
            os.dup2(ours, theirs)
        for number in STOPPING:
            signal.signal(number, _once if callable(job.work) else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if callable(job.work):
            status = _work(job.work, pipe)
        else:
            # Its end is seen at the pipe's.
            os.set_inheritable(pipe, True)
            _execute(job.work)
    finally:
        # Neither this process's clean-up nor its buffers are the other's.
        os._exit(status)


def _execute(words: Sequence[str]) -> None:
    # Python ignores it, and what is ignored stays so.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execv(words[0], list(words))  # noqa: S606 - without a shell
    except OSError as error:
        os.write(2, f"{words[0]}: cannot be run: {error.strerror}\n".encode())


def _work(work: Work, pipe: int) -> int:
    sys.stdout = sys.stderr = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115

    def send(**message: Any) -> None:
        with suppress(BrokenPipeError):  # nobody waits any more, and what was begun is brought to its end
            _write(pipe, b"\n" + json.dumps(message).encode() + b"\n")

    def tell(what: str) -> None:
        print(what.removeprefix(" "))  # noqa: T201 - into the log
        send(told=what)

    try:
        value = work(tell)
        _ignore()
        send(value=value)
    except KharnessError as error:
        print(error)  # noqa: T201
        send(problem=str(error))
    except KeyboardInterrupt as error:
        left = "\n".join(getattr(error, "__notes__", ()))
        print(f"interrupted\n{left}".strip())  # noqa: T201
        send(problem=left)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        traceback.print_exc()
        send(problem=f"an error in kharness itself, which the log shows: {type(error).__name__}: {error}")
    sys.stdout.flush()
    return 0


def _write(pipe: int, content: bytes) -> None:
    while content:
        content = content[os.write(pipe, content) :]


def _once(_number: int, _frame: FrameType | None) -> NoReturn:
    # Whoever stops it says so once; what puts things back is not disturbed.
    _ignore()
    raise KeyboardInterrupt


def _ignore() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)

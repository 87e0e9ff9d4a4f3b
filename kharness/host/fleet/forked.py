"""The child's side of a fork: do one job, report the result, and end."""

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
"""Reports progress; a detail begins with a space."""
Work = Callable[[Tell], Any]
"""Returns plain values; fails with `KharnessError`, and is stopped with KeyboardInterrupt."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
CRASHED = 70
"""The exit status of a process that could not report its error, sysexits(3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The job of one process: `work` is a function, or the command line of a program. `timeout` in seconds."""

    name: str
    work: Work | Sequence[str]
    log: Path
    timeout: float


def become(job: Job, pipe: int, log: int, blocked: Any, *, parent: int) -> NoReturn:
    """Do the job in this new process, and end it. `blocked` is the signal mask to restore, `parent` a pid."""
    status = CRASHED
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        # If the parent is killed, this process must end too. Programs keep this setting, prctl(2).
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
            # The end of the program closes the pipe.
            os.set_inheritable(pipe, True)
            _execute(job.work)
    finally:
        # The child must not run the parent's clean-up, nor flush its buffers.
        os._exit(status)


def _execute(words: Sequence[str]) -> None:
    # Python ignores SIGPIPE, and ignored signals stay ignored across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execv(words[0], list(words))  # noqa: S606 - without a shell
    except OSError as error:
        os.write(2, f"{words[0]}: cannot be run: {error.strerror}\n".encode())


def _work(work: Work, pipe: int) -> int:
    sys.stdout = sys.stderr = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115

    def send(**message: Any) -> None:
        with suppress(BrokenPipeError):  # the parent has gone, and the work is finished nevertheless
            _write(pipe, b"\n" + json.dumps(message).encode() + b"\n")

    def tell(what: str) -> None:
        print(what.removeprefix(" "))  # noqa: T201 - into the log
        send(report=what)

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
    except BaseException as error:  # noqa: BLE001 - any error is reported
        traceback.print_exc()
        send(problem=f"an error in kharness itself, which the log shows: {type(error).__name__}: {error}")
    sys.stdout.flush()
    return 0


def _write(pipe: int, content: bytes) -> None:
    while content:
        content = content[os.write(pipe, content) :]


def _once(_number: int, _frame: FrameType | None) -> NoReturn:
    # Only the first signal interrupts; the undo that follows is not interrupted.
    _ignore()
    raise KeyboardInterrupt


def _ignore() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)

"""Run programs: one that takes a text and is given little time, and one in the foreground, as a shell would.

And a pool of daemon threads, which never keep an interrupted program from ending, as an executor's do.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from kharness.errors import HostError


def tell_command(argv: Sequence[str], text: str, *, timeout: float) -> str:
    """Run a command with the text on its standard input; returns what went wrong, and empty where nothing did.

    After `timeout` seconds it is killed with all that it has started. Its output is shown only if it failed.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the host's own configuration names it, and no shell reads it
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return f"{argv[0]}: {error.strerror}"
    with process:
        try:
            said, _ = process.communicate(text, timeout=timeout)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return f"{argv[0]}: did not end within {timeout:g} s, and was killed"
    if process.returncode:
        last = said.strip().splitlines()[-1:] or ["it printed nothing"]
        return f"{argv[0]}: ended with status {process.returncode}: {last[0]}"
    return ""


FROM_KERNEL = 0x80
"""The `si_code` of a signal that a terminal sent, sigaction(2): the whole foreground group has it."""
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
PR_SET_PDEATHSIG = 1
CANNOT = 127


def supervise(words: Sequence[str]) -> int:
    """Run a program to its end; returns its exit status, or minus the number of the signal that killed it.

    Signals that are sent to this process alone are passed on. The caller has a single thread. Raises `HostError` where
    no process can be made.
    """
    watched = {*FORWARDED, signal.SIGCHLD}
    # A parent that ignores it would let the kernel forget how the program ends, waitpid(2).
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    own = os.getpid()
    try:
        pid = os.fork()
        if pid == 0:
            _become(words, before, parent=own)
        while True:
            told = signal.sigwaitinfo(watched)
            if told.si_signo == signal.SIGCHLD:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    return os.waitstatus_to_exitcode(status)
            elif told.si_code != FROM_KERNEL:
                os.kill(pid, told.si_signo)
    except OSError as error:
        raise HostError(f"{words[0]}: no process can be started: {error.strerror}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _become(words: Sequence[str], blocked: set[signal.Signals] | set[int], *, parent: int) -> NoReturn:
    try:
        # A program keeps it, prctl(2): a supervisor that is killed does not leave the session behind.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        # Python ignores it, and what is ignored stays so.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if os.getppid() == parent:
            os.execv(words[0], list(words))  # noqa: S606 - as found, and without a shell
    except OSError as error:
        os.write(2, f"kharness: {words[0]}: cannot be run: {error.strerror}\n".encode())
    finally:
        os._exit(CANNOT)


Task = Callable[[], None]


class DaemonPool:
    """Runs tasks in the order in which they came, `size` at a time. Tasks handle their own exceptions."""

    def __init__(self, size: int) -> None:
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task) -> None:
        """Let a thread run the task when its turn comes."""
        self._tasks.put(task)

    def join(self) -> None:
        """Wait until everything that was submitted is done; nothing may be submitted afterwards."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

"""The standard streams of a command, even if they are closed, full, or without a reader; exit statuses of signals."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BY_SIGNAL = 128
"""Shells add this to the number of a signal that ended a command."""
INTERRUPTED = BY_SIGNAL + signal.SIGINT


FAILED = 1
OUT, ERR = 1, 2
LOST = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC})
"""Errors of a write to a stream, write(2), that are reported; EPIPE is not: the reader has left."""


class _Quiet(io.RawIOBase):
    """Standard error; text that cannot be written is lost, because a report must not stop the work that it reports."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return ERR

    def isatty(self) -> bool:
        return os.isatty(ERR)

    def write(self, data: object, /) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        with suppress(OSError):
            return os.write(ERR, view)
        return view.nbytes


@contextmanager
def standard_streams() -> Iterator[None]:
    """Make all streams usable; an error of standard output ends the process with one line and status 1."""
    _hold_descriptors()
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno == errno.EPIPE:
            _end("")
        if error.errno in LOST and error.filename is None:
            _end(error.strerror or str(error))
        raise
    except SystemExit:
        try:
            sys.stdout.flush()
        except OSError as error:
            _end("" if error.errno == errno.EPIPE else error.strerror or str(error))
        raise


def _hold_descriptors() -> None:
    """Keep files that are opened later from taking the number of a closed stream."""
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one. Writing to standard output stays an error, as if it were closed.
            os.open(os.devnull, flags)
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as the process
    if sys.stdout is None:
        sys.stdout = open(OUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None or not sys.stderr.isatty():
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Quiet()), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )


def _end(why: str) -> None:
    if why:
        sys.stderr.write(f"kharness: standard output: {why}\n")
        sys.stderr.flush()
    # Buffered text must not fail again when the interpreter ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), OUT)
    sys.exit(FAILED)

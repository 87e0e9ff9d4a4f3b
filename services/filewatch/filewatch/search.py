"""Search a file for a text without reading it again while it stays the same."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

_CHUNK = 1024 * 1024
_SETTLED = 2.0
"""Seconds: a file modified this lately may change once more within the same clock tick, so its result is not kept."""


class NotRegularError(Exception):
    """What was opened is no regular file."""


class TooLargeError(Exception):
    """The file is larger than may be read."""


@dataclass(frozen=True, slots=True)
class _Known:
    fingerprint: tuple[int, ...]
    found: bool


class TextSearch:
    """Searches, and remembers what it found in files that have not changed since. For one thread."""

    def __init__(self, *, max_read: int) -> None:
        """Read at most `max_read` bytes of a file."""
        self._max_read = max_read
        self._old: dict[tuple[str, str], _Known] = {}
        self._new: dict[tuple[str, str], _Known] = {}

    def next_round(self) -> None:
        """Forget what the last round did not ask for."""
        self._old, self._new = self._new, {}

    def contains(self, path: str, text: str, *, now: float) -> bool:
        """Whether the file has the text; `now` in seconds since the epoch.

        Raises OSError, NotRegularError, and TooLargeError where the part that may be read does not have it.
        """
        # Not blocking: the file may have become a pipe, whose opening waits for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotRegularError(path)
            fingerprint = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            known = self._old.get((path, text))
            if known is None or known.fingerprint != fingerprint:
                known = _Known(fingerprint, self._read(descriptor, path, text.encode()))
        finally:
            os.close(descriptor)
        if now - max(status.st_mtime, status.st_ctime) > _SETTLED:
            self._new[path, text] = known
        return known.found

    def _read(self, descriptor: int, path: str, needle: bytes) -> bool:
        tail = b""
        left = self._max_read
        while chunk := os.read(descriptor, min(_CHUNK, left + 1)):
            if needle in tail + chunk:
                return True
            left -= len(chunk)
            if left < 0:
                raise TooLargeError(path)
            # The text may begin in one chunk and end in the next.
            tail = (tail + chunk)[-(len(needle) - 1) :] if len(needle) > 1 else b""
        return False

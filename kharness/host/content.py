"""The content of a regular file, from one descriptor to another: shared where the file system can, holes kept."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator

FICLONE = 0x40049409
"""ioctl_ficlone(2); Python has no name for it before 3.14."""
_CHUNK = 64 << 20
_SMALL = 1 << 20
_BLOCK = 512
"""The unit of st_blocks (stat(3type)), whatever the file system's own."""
_NOT_HERE = {errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EPERM, errno.ENOTTY}

Told = Callable[[int], None]
"""Told the number of bytes after each piece; it may raise to stop."""


def share(source: int, target: int) -> bool:
    """Let the target share the source's blocks (a reflink); False where that is not possible."""
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return False
        raise
    return True


def copy(source: int, target: int, found: os.stat_result, *, told: Told) -> None:
    """Copy what the file had when `found` was taken; a file that has shrunk since ends where it ends now."""
    for begin, end in _extents(source, found):
        _copy_range(source, target, begin, end, told=told)
    size = min(found.st_size, os.fstat(source).st_size)
    if os.fstat(target).st_size != size:
        os.ftruncate(target, size)


def same(one: int, other: int) -> bool:
    """Whether two open files have the same content from begin to end. Raises OSError."""
    at = 0
    while True:
        piece = os.pread(one, _SMALL, at)
        if piece != os.pread(other, _SMALL, at):
            return False
        if not piece:
            return True
        at += len(piece)


def allocated(found: os.stat_result) -> int:
    """Return the bytes that a file takes on its disk, or would without holes if that is less."""
    return min(found.st_blocks * _BLOCK, found.st_size)


def _extents(source: int, found: os.stat_result) -> Iterator[tuple[int, int]]:
    size = found.st_size
    if found.st_blocks * _BLOCK >= size:
        if size:
            yield (0, size)
        return
    end = 0
    while end < size:
        try:
            begin = os.lseek(source, end, os.SEEK_DATA)
            end = min(size, os.lseek(source, begin, os.SEEK_HOLE))
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            if error.errno != errno.EINVAL:
                raise
            begin, end = end, size
        if begin < end:
            yield (begin, end)


def _copy_range(source: int, target: int, begin: int, end: int, *, told: Told) -> None:
    at = begin
    try:
        while at < end:
            done = os.copy_file_range(source, target, min(_CHUNK, end - at), at, at)
            if not done:
                break
            at += done
            told(done)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
    # Between file systems that the kernel cannot copy between; and for its early ends that are none.
    while at < end and (piece := os.pread(source, min(_SMALL, end - at), at)):
        done = os.pwrite(target, piece, at)
        at += done
        told(done)

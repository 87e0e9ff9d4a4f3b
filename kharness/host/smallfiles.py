"""Many small files, copied the same as any file, with nothing done in vain.

A small file's content costs the kernel about as much as opening the file, so that here every call counts: an owner or
a mode that a new file has already is not given again. Whatever is out of the ordinary is left to the general way.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Sequence

from kharness.host.content import FICLONE, allocated

SMALL = 8 << 20
"""Bytes up to which a copied file is small: a longer one has progress to tell, and can be stopped half way."""
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOATIME
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_PLAIN, _SPECIAL = 0o777, 0o7000
_EVERY = -1
"""All modes are to be given: those of the first file, which was opened with another one."""


def copy_small(source: int, target: int, names: Sequence[str], *, share: bool) -> tuple[int, list[str]]:
    """Copy regular files from one open directory into another; returns the bytes, and what is for the general way.

    Nothing is left of those. With `share` the copies share their originals' blocks. Raises OSError.
    """
    done, rest = 0, []
    given: os.stat_result | None = None
    for name in names:
        try:
            old = os.open(name, _READ, dir_fd=source)
        except OSError:
            rest.append(name)
            continue
        try:
            found = os.fstat(old)
            if not _is_ordinary(old, found, share=share):
                rest.append(name)
                continue
            new = os.open(name, _WRITE, _PLAIN if given is None else found.st_mode & _PLAIN, dir_fd=target)
            try:
                if given is None:
                    # What the kernel gives a new file here: umask, set-gid directories and mount options decide.
                    given = os.fstat(new)
                    doubtful = _EVERY
                else:
                    doubtful = _PLAIN & ~given.st_mode
                if not _is_made(old, new, found, given, doubtful, share=share):
                    os.unlink(name, dir_fd=target)
                    rest.append(name)
                    continue
                done += found.st_size
            finally:
                os.close(new)
        finally:
            os.close(old)
    return done, rest


def _is_ordinary(file: int, found: os.stat_result, *, share: bool) -> bool:
    plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    whole = share or (found.st_size <= SMALL and allocated(found) == found.st_size)
    return plain and whole and not os.listxattr(file)


def _is_made(old: int, new: int, found: os.stat_result, given: os.stat_result, doubtful: int, *, share: bool) -> bool:
    try:
        if not found.st_size:
            pass
        elif share:
            fcntl.ioctl(new, FICLONE, old)
        elif os.copy_file_range(old, new, found.st_size) != found.st_size:
            return False
        if found.st_uid != given.st_uid or found.st_gid != given.st_gid:
            os.fchown(new, found.st_uid, found.st_gid)
        mode = found.st_mode & (_PLAIN | _SPECIAL)
        if doubtful == _EVERY or mode & (doubtful | _SPECIAL):
            os.fchmod(new, mode)
        os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))
    except OSError:
        return False
    return True

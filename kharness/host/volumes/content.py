"""Copy a file's content and attributes from one descriptor to another, and change its owner without losing anything.

Contents are shared where the file system can, and holes are kept. Attributes are owner, mode, times and extended
attributes (xattr(7)), ACLs among them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress

FICLONE = 0x40049409
"""ioctl_ficlone(2); Python has no name for it before 3.14."""
_CHUNK = 64 << 20
_SMALL = 1 << 20
_BLOCK = 512
"""The unit of st_blocks (stat(3type)), on every file system."""
_NOT_HERE = {errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EPERM, errno.ENOTTY}

Count = Callable[[int], None]
"""Called with the number of bytes after each piece; it may raise to stop."""


def share(source: int, target: int) -> bool:
    """Make the target share the source's blocks (a reflink); False where that is not possible."""
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return False
        raise
    return True


def copy(source: int, target: int, found: os.stat_result, *, told: Count) -> None:
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


def _copy_range(source: int, target: int, begin: int, end: int, *, told: Count) -> None:
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
    # Between file systems that the kernel cannot copy between; and where it ends before the end of the file.
    while at < end and (piece := os.pread(source, min(_SMALL, end - at), at)):
        done = os.pwrite(target, piece, at)
        at += done
        told(done)


Lost = set[str]
"""What could not be copied: `owner`, or the name of an extended attribute."""

_REFUSED = {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG, errno.EINVAL, errno.ENODATA}
_DEFAULT_ACL, _ACL = "system.posix_acl_default", "system.posix_acl_access"


def give(source: int, target: int, found: os.stat_result, *, lost: Lost, times: bool = True) -> None:
    """Give an open file or directory the attributes of another one; `found` is the source's fstat.

    A user who is not root cannot give files away, and not every file system keeps every extended attribute: what
    is lost is added to `lost` and is no error. Raises OSError for anything else.
    """
    # The owner first: a change of it takes away set-uid bits and capabilities.
    try:
        os.fchown(target, found.st_uid, found.st_gid)
    except PermissionError:
        lost.add("owner")
    _give_extended(source, target, lost=lost)
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    if times:
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def give_named(source: int, target: int, name: str, found: os.stat_result, *, lost: Lost) -> None:
    """Do the same for an entry of two open directories that is not opened: a link, fifo or device."""
    try:
        os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
    except PermissionError:
        lost.add("owner")
    # The calls for extended attributes know no directories, and their paths do not follow the last component.
    _give_extended(f"/proc/self/fd/{source}/{name}", f"/proc/self/fd/{target}/{name}", lost=lost)
    if not stat.S_ISLNK(found.st_mode):
        os.chmod(name, stat.S_IMODE(found.st_mode), dir_fd=target)
    os.utime(name, ns=(found.st_atime_ns, found.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def forget_inherited_acl(directory: int) -> None:
    """Remove the ACLs that a new directory has from the one it was made in, before anything inherits them."""
    for name in (_DEFAULT_ACL, _ACL):
        with suppress(OSError):
            os.removexattr(directory, name)


def _give_extended(source: int | str, target: int | str, *, lost: Lost) -> None:
    follow = isinstance(source, int)
    try:
        names = os.listxattr(source, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _REFUSED:
            return
        raise
    for name in names:
        try:
            os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=follow), follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            lost.add(name)


CAPABILITY = "security.capability"
_NONE = {errno.ENODATA, errno.EOPNOTSUPP}


def change_owner(opened: int, owner: tuple[int, int]) -> None:
    """Give an open file or directory to a uid and gid; its mode and its capabilities stay, chown(2). Raises OSError."""
    mode = stat.S_IMODE(os.fstat(opened).st_mode)
    capability = extended(opened, CAPABILITY)
    try:
        os.fchown(opened, *owner)
    finally:
        # Also on an interrupt: nothing records later what the change took away.
        if stat.S_IMODE(os.fstat(opened).st_mode) != mode:
            os.fchmod(opened, mode)
        if capability is not None and extended(opened, CAPABILITY) != capability:
            os.setxattr(opened, CAPABILITY, capability)


def extended(opened: int, name: str) -> bytes | None:
    """Return an extended attribute, None where there is none."""
    try:
        return os.getxattr(opened, name)
    except OSError as error:
        if error.errno in _NONE:
            return None
        raise


def has_set_id(found: os.stat_result) -> bool:
    """Whether a set-user-id or set-group-id bit is among its mode's."""
    return bool(found.st_mode & (stat.S_ISUID | stat.S_ISGID))

"""Owner, mode, times and extended attributes (xattr(7), and with them ACLs): from one file to another."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

Lost = set[str]
"""What could not be taken over: `owner`, or the name of an extended attribute."""

_REFUSED = {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG, errno.EINVAL, errno.ENODATA}
_DEFAULT_ACL, _ACL = "system.posix_acl_default", "system.posix_acl_access"


def give(source: int, target: int, found: os.stat_result, *, lost: Lost, times: bool = True) -> None:
    """Give an open file or directory the attributes of another one; `found` is the source's fstat.

    A user who is not root cannot give files away, and not every file system keeps every extended attribute: such is
    noted in `lost` and is no error. Raises OSError for anything else.
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

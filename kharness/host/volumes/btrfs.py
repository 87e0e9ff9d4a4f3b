"""Subvolumes of btrfs: make, snapshot and remove them with its ioctls (btrfs-ioctl(2)); no program is needed."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

from kharness.host.trees import DIRECTORY, holding

_ROOT_INODE = 256
"""BTRFS_FIRST_FREE_OBJECTID, the inode of every subvolume's top, and of no other directory."""
_SUBVOL_CREATE = 0x5000940E
_SNAP_DESTROY = 0x5000940F
_SNAP_CREATE_V2 = 0x50009417
_GET_SUBVOL_ROOTREF = 0xD000943D
_SIZE = 4096
_COUNT_AT = 8 + 255 * 16


def is_subvolume(path: Path) -> bool:
    """Whether a path is the top of a subvolume, not a link to one. Raises OSError."""
    found = path.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_ino == _ROOT_INODE and _is_btrfs(path)


def has_inner(path: Path) -> bool:
    """Whether other subvolumes are below this one: a snapshot would have empty directories in their place.

    True as well where that cannot be known. Raises OSError.
    """
    asked = bytearray(_SIZE)
    with holding(os.open(path, DIRECTORY)) as at:
        try:
            fcntl.ioctl(at, _GET_SUBVOL_ROOTREF, asked)
        except OSError as error:
            if error.errno in {errno.EOVERFLOW, errno.ENOTTY, errno.EPERM}:
                return True
            raise
    return asked[_COUNT_AT] > 0


def create(path: Path) -> bool:
    """Create an empty subvolume, mode 0755; False where the file system is another one. Raises OSError."""
    if not _is_btrfs(path.parent):
        return False
    with holding(os.open(path.parent, DIRECTORY)) as at:
        _ioctl(at, _SUBVOL_CREATE, struct.pack("=q4088s", 0, os.fsencode(path.name)))
    # Not left to the ioctl, whose mode the umask lowers.
    path.chmod(0o755)
    return True


def snapshot(source: Path, target: Path) -> None:
    """Make a writable snapshot of a subvolume; it is on the disk when this returns. Raises OSError."""
    with holding(os.open(source, DIRECTORY)) as old, holding(os.open(target.parent, DIRECTORY)) as at:
        _ioctl(at, _SNAP_CREATE_V2, struct.pack("=qQQ32x4040s", old, 0, 0, os.fsencode(target.name)))


def destroy(path: Path) -> bool:
    """Remove a subvolume with all that is in it; False where this user may not, or others are in it. Raises OSError."""
    with holding(os.open(path.parent, DIRECTORY)) as at:
        try:
            _ioctl(at, _SNAP_DESTROY, struct.pack("=q4088s", 0, os.fsencode(path.name)))
        except OSError as error:
            if error.errno in {errno.EPERM, errno.EACCES, errno.ENOTEMPTY, errno.EBUSY}:
                return False
            raise
    return True


def _is_btrfs(path: Path) -> bool:
    # The inode number alone is nothing special elsewhere, and Python's statvfs has no type: btrfs alone answers this.
    with holding(os.open(path, DIRECTORY)) as at:
        try:
            fcntl.ioctl(at, _GET_SUBVOL_ROOTREF, bytearray(_SIZE))
        except OSError as error:
            return error.errno == errno.EOVERFLOW
    return True


def _ioctl(at: int, number: int, argument: bytes) -> None:
    # Python copies what is not mutable into a buffer of 1024 bytes.
    fcntl.ioctl(at, number, bytearray(argument))

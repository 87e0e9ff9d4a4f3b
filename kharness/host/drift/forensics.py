"""Save evidence of a container where only its owner can read it."""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from kharness.errors import HostError
from kharness.host.drift.layers import hold, walk_upper
from kharness.plan.text import size_text

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_GONE = {errno.ENOENT, errno.ELOOP, errno.ENXIO}
"""The errors of a name that has vanished, or has become something else, since it was read."""
_SPARE = 64 << 20
"""Bytes that evidence leaves free on the disk."""


def make_store(directory: Path) -> None:
    """Make a new directory for evidence that only its owner may enter; raises `HostError`."""
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise HostError(f"{directory}: cannot be made: {error.strerror}") from error


def keep_text(file: Path, text: str) -> None:
    """Write a text, with surrogates as the bytes that they stand for; raises `HostError`."""
    try:
        file.write_bytes(text.encode(errors="surrogateescape"))
        file.chmod(0o600)
    except OSError as error:
        raise HostError(f"{file}: cannot be written: {error.strerror}") from error


def keep_lines(file: Path, lines: Iterable[str]) -> None:
    """Write lines one by one; raises `HostError`, and what `lines` raises."""
    try:
        with file.open("w", encoding="utf-8", errors="surrogateescape", newline="") as opened:
            file.chmod(0o600)
            opened.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise HostError(f"{file}: cannot be written: {error.strerror}") from error


def archive_layer(upper: str, file: Path) -> int:
    """Write the entries of an upper directory as a tar, and return their number.

    Owners, modes and times are kept; whiteouts, and entries that vanish meanwhile, are left out. Raises `HostError`,
    also where the tar would fill the disk.
    """
    count = 0
    try:
        with ExitStack() as stack:
            above = hold(stack, upper)
            size = sum(
                pair.new.st_size for pair in walk_upper(above, ()) if pair.new and stat.S_ISREG(pair.new.st_mode)
            )
            disk = os.statvfs(file.parent)
            if size + _SPARE > (free := disk.f_bavail * disk.f_frsize):
                raise HostError(
                    f"{file}: the changed files have {size_text(size)}, and only {size_text(free)} are free"
                )
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            target = stack.enter_context(os.fdopen(descriptor, "wb"))
            archive = stack.enter_context(tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT))
            for pair in walk_upper(above, ()):
                if pair.new is not None:
                    count += _add(archive, pair.path, pair.name, pair.at, pair.new)
    except OSError as error:
        raise HostError(f"{file}: the changed files cannot be kept: {error.strerror}") from error
    return count


def _add(archive: tarfile.TarFile, path: str, name: str, at: int, found: os.stat_result) -> int:
    member = tarfile.TarInfo(path)
    member.mode, member.uid, member.gid, member.mtime = (
        stat.S_IMODE(found.st_mode),
        found.st_uid,
        found.st_gid,
        found.st_mtime,
    )
    match stat.S_IFMT(found.st_mode):
        case stat.S_IFREG:
            return _add_file(archive, member, name, at)
        case stat.S_IFDIR:
            member.type = tarfile.DIRTYPE
        case stat.S_IFLNK:
            member.type = tarfile.SYMTYPE
            try:
                member.linkname = os.readlink(name, dir_fd=at)
            except FileNotFoundError:
                return 0
        case stat.S_IFIFO:
            member.type = tarfile.FIFOTYPE
        case stat.S_IFCHR | stat.S_IFBLK as kind:
            member.type = tarfile.CHRTYPE if kind == stat.S_IFCHR else tarfile.BLKTYPE
            member.devmajor, member.devminor = os.major(found.st_rdev), os.minor(found.st_rdev)
        case _:
            # A tar cannot hold sockets; the list of changes has them.
            return 0
    archive.addfile(member)
    return 1


def _add_file(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str, at: int) -> int:
    try:
        file = os.open(name, _READ, dir_fd=at)
    except OSError as error:
        if error.errno in _GONE:
            return 0
        raise
    with os.fdopen(file, "rb") as source:
        member.size = os.fstat(source.fileno()).st_size
        archive.addfile(member, _Steady(source.fileno(), member.size))
    return 1


class _Steady:
    """A file with the size that it had when it was opened; if it shrinks meanwhile, the rest are zeros."""

    def __init__(self, file: int, size: int) -> None:
        self._file = file
        self._at, self._size = 0, size

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes."""
        left = self._size - self._at
        wanted = left if size < 0 else min(size, left)
        piece = os.pread(self._file, wanted, self._at).ljust(wanted, b"\0")
        self._at += len(piece)
        return piece

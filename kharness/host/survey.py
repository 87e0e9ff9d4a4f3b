"""What is in a directory tree, counted before it is copied."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kharness.errors import HostError
from kharness.host.content import allocated, share
from kharness.plan.sizes import size_text

MAX_DEPTH = 200
"""Directories within one another; every level of a copy holds two of the process's open files."""
_SHOWN = 5
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_BLOCK = 4096


@dataclass(slots=True)
class Survey:
    """A tree in numbers: entries, bytes on the disk (a file with several names once), and what it holds that is odd."""

    entries: int = 0
    bytes: int = 0
    sockets: list[str] = field(default_factory=list)
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def add(self, path: str, found: os.stat_result) -> None:
        """Count an entry."""
        self.entries += 1
        if stat.S_ISSOCK(found.st_mode):
            self.sockets.append(path)
        elif stat.S_ISDIR(found.st_mode):
            self.bytes += _BLOCK
        elif stat.S_ISREG(found.st_mode):
            if found.st_nlink > 1:
                if (found.st_dev, found.st_ino) in self._seen:
                    return
                self._seen.add((found.st_dev, found.st_ino))
            self.bytes += -(-allocated(found) // _BLOCK) * _BLOCK


def survey(top: Path) -> Survey:
    """Look at everything in a tree, without following links. What vanishes meanwhile is not counted.

    Raises `HostError` for a directory that cannot be read, and for one that is too deep.
    """
    result = Survey()
    if not top.is_dir():
        result.add(str(top), top.stat())
        return result
    _visit(_open(top, path=str(top)), str(top), result, depth=0)
    return result


def refuse_sockets(sockets: Sequence[str], source: Path) -> None:
    """Raise a `HostError` that names the sockets: there is no copy of one, only another server could make it."""
    if sockets:
        shown = ", ".join(sorted(sockets)[:_SHOWN])
        more = f" and {len(sockets) - _SHOWN} more" if len(sockets) > _SHOWN else ""
        raise HostError(f"{source}: should hold no sockets to be copied, not {shown}{more}; keep them on a tmpfs")


def refuse_full_disk(found: Survey, source: Path, target: Path) -> None:
    """Raise a `HostError` when the target's file system has not the space or not the inodes for a copy."""
    disk = os.statvfs(target)
    # Root, too, leaves the reserve alone: production may be writing to the same disk.
    free = disk.f_bavail * disk.f_frsize
    if found.bytes > free:
        needed = f"needs {size_text(found.bytes)}, and only {size_text(free)} are free"
        raise HostError(f"{target}: a copy of {source} {needed}")
    inodes = disk.f_favail
    if disk.f_files and found.entries > inodes:
        raise HostError(f"{target}: a copy of {source} needs {found.entries} inodes, and only {inodes} are free")


def why_no_reflink(source: Path, directory: Path) -> str:
    """Return why files of a tree cannot share their blocks with copies in a directory; empty where they can.

    It is tried, with files that have no name. Raises OSError where something may not be read.
    """
    probe = _nameless(directory)
    if probe is None or not _shares(probe, _nameless(directory)):
        return f"files in {directory} cannot share blocks; those of btrfs and xfs can"
    sample = _first_file(source)
    if sample is None:
        return "no file in it has content to share"
    return "" if _shares(os.open(sample, _READ), _nameless(directory)) else f"{directory} is on another file system"


def _nameless(directory: Path) -> int | None:
    try:
        return os.open(directory, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError:
        return None


def _shares(source: int, target: int | None) -> bool:
    try:
        return target is not None and share(source, target)
    except OSError:
        return False
    finally:
        os.close(source)
        if target is not None:
            os.close(target)


def _first_file(top: Path) -> Path | None:
    if not top.is_dir():
        return top if top.stat().st_size else None
    for directory, _, names in os.walk(top):
        for name in names:
            found = os.lstat(os.path.join(directory, name))  # noqa: PTH118 - one Path for each would be slow
            if stat.S_ISREG(found.st_mode) and found.st_size:
                return Path(directory, name)
    return None


def first_channel(top: Path) -> Path | None:
    """Return the first socket or fifo of a tree, None where there is none; what may not be read is passed over."""
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)  # noqa: PTH118 - one Path for each would be slow
            with suppress(OSError):
                kind = stat.S_IFMT(os.lstat(path).st_mode)
                if kind in {stat.S_IFSOCK, stat.S_IFIFO}:
                    return Path(path)
    return None


def open_directory(name: str | Path, *, within: int | None = None) -> int:
    """Open a directory for reading, not through a link, leaving its access time alone where that is allowed."""
    flags = _READ | os.O_DIRECTORY
    try:
        return os.open(name, flags | os.O_NOATIME, dir_fd=within)
    except PermissionError:
        return os.open(name, flags, dir_fd=within)


def _visit(at: int, path: str, result: Survey, *, depth: int) -> None:
    try:
        if depth > MAX_DEPTH:
            raise HostError(f"{path}: should not be deeper than {MAX_DEPTH} directories to be copied")
        with os.scandir(at) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            with suppress(FileNotFoundError, NotADirectoryError):
                found = os.stat(name, dir_fd=at, follow_symlinks=False)
                result.add(f"{path}/{name}", found)
                if stat.S_ISDIR(found.st_mode):
                    inner = _open(name, path=f"{path}/{name}", within=at)
                    _visit(inner, f"{path}/{name}", result, depth=depth + 1)
    finally:
        os.close(at)


def _open(name: str | Path, *, path: str, within: int | None = None) -> int:
    try:
        return open_directory(name, within=within)
    except PermissionError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error

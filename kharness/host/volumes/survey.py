"""What is in a directory tree, counted before it is copied."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from kharness.errors import HostError
from kharness.host.trees import FILE, Inode, holding, inode_of, open_directory, walk
from kharness.host.volumes.content import allocated, share
from kharness.plan.text import size_text

_SHOWN = 5
_BLOCK = 4096


@dataclass(slots=True)
class Survey:
    """A tree in numbers: entries, bytes on the disk (a file with several names once), and its sockets."""

    entries: int = 0
    bytes: int = 0
    sockets: list[str] = field(default_factory=list)
    _seen: set[Inode] = field(default_factory=set)

    def add(self, path: str, found: os.stat_result) -> None:
        """Count an entry."""
        self.entries += 1
        if stat.S_ISSOCK(found.st_mode):
            self.sockets.append(path)
        elif stat.S_ISDIR(found.st_mode):
            self.bytes += _BLOCK
        elif stat.S_ISREG(found.st_mode):
            if found.st_nlink > 1:
                if inode_of(found) in self._seen:
                    return
                self._seen.add(inode_of(found))
            self.bytes += -(-allocated(found) // _BLOCK) * _BLOCK


def survey(top: Path) -> Survey:
    """Count everything in a tree, without following links. What vanishes meanwhile is not counted.

    Raises `HostError` for a directory that cannot be read, and for one that is too deep.
    """
    result = Survey()
    if not top.is_dir():
        result.add(str(top), top.stat())
        return result
    with holding(_open(top)) as at:
        for entry in walk(at, top):
            result.add(f"{top}/{entry.path}", entry.found)
    return result


def refuse_sockets(sockets: Sequence[str], source: Path) -> None:
    """Raise a `HostError` that names the sockets: a socket cannot be copied, only a server can make one."""
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
    return "" if _shares(os.open(sample, FILE), _nameless(directory)) else f"{directory} is on another file system"


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
    return _first(top, lambda found: stat.S_ISREG(found.st_mode) and found.st_size > 0)


def first_channel(top: Path) -> Path | None:
    """Return the first socket or fifo of a tree, None where there is none; what may not be read is passed over."""
    return _first(top, lambda found: stat.S_IFMT(found.st_mode) in {stat.S_IFSOCK, stat.S_IFIFO})


def _first(top: Path, wanted: Callable[[os.stat_result], bool]) -> Path | None:
    try:
        at = open_directory(top.resolve())
    except OSError:
        return None
    with holding(at), closing(walk(at, top, unread=lambda _, __: None)) as entries:
        return next((top / entry.path for entry in entries if wanted(entry.found)), None)


def _open(top: Path) -> int:
    try:
        return open_directory(top)
    except PermissionError as error:
        raise HostError(f"{top}: cannot be read: {error.strerror}") from error

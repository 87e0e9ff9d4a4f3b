"""What a directory tree holds: counted before it is copied, or as a fingerprint of every entry. Nothing is touched.

The walk holds directories open and follows no link. It has a loop of its own (see `host.trees`): ten thousand files
take some 25 ms.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kharness.errors import HostError
from kharness.host.machine.programs import DaemonPool
from kharness.host.trees import FILE, GONE, MAX_DEPTH, Inode, holding, inode_of, open_directory, open_quietly, walk
from kharness.host.volumes.content import allocated, share
from kharness.plan.session.untouched import RECORD, TOP, Fingerprint
from kharness.plan.text import size_text

_THREADS = min(4, os.cpu_count() or 1)
_OPEN = 64
"""Files that may be open at a time."""
_CHUNK = 1 << 20
_SMALL = 1 << 17
"""Bytes up to which handing a file to a thread costs more than reading it."""
_ZEROS = bytes(_CHUNK)
_TYPE, _DIRECTORY, _FILE, _LINK = 0o170000, stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK


def fingerprint(top: Path, *, contents: bool = False, within: int | None = None) -> Fingerprint:
    """Take the fingerprint of a tree, or of a single file; links to the top itself are followed.

    What is mounted below it is part of it, what vanishes meanwhile is not, and a top that is missing has an empty one.
    With `contents` everything is read. Nothing is raised for what cannot be read: see `Fingerprint.unread`. `within`
    is an open directory that `top` is a name in; then a link is one entry, and is not followed.
    """
    walk = _FingerprintWalk(contents=contents)
    walk.run(os.path.realpath(top) if within is None else str(top), within)
    return Fingerprint(top=walk.top, listings=walk.listings, digests=walk.digests, unread=walk.unread)


class _FingerprintWalk:
    def __init__(self, *, contents: bool) -> None:
        self.top = b""
        self.listings: dict[str, tuple[str, bytes]] = {}
        self.digests: dict[str, bytes] = {}
        self.unread: dict[str, str] = {}
        self._pool = DaemonPool(_THREADS) if contents else None
        self._room = threading.Semaphore(_OPEN)

    def run(self, top: str, within: int | None) -> None:
        try:
            found = os.stat(top, dir_fd=within, follow_symlinks=False)
        except OSError as error:
            self._doubt("", error)
            return
        self.top = RECORD.pack(*found[:7], found.st_mtime_ns)
        if stat.S_ISDIR(found.st_mode):
            self._inner(top, within, "", depth=0)
        elif self._pool is not None:
            self._content(top, within, TOP, found.st_mode & _TYPE, self._pool)
        if self._pool is not None:
            self._pool.join()

    def _inner(self, name: str, within: int | None, path: str, *, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.unread[path] = f"deeper than {MAX_DEPTH} directories"
            return
        try:
            at = open_directory(name, within=within)
        except OSError as error:
            self._doubt(path, error)
            return
        with holding(at):
            try:
                self._directory(at, path, depth=depth)
            except OSError as error:
                self._doubt(path, error)

    def _directory(self, at: int, path: str, *, depth: int) -> None:
        prefix = f"{path}/" if path else ""
        pack = RECORD.pack
        names: list[str] = []
        records: list[bytes] = []
        inner: list[str] = []
        with os.scandir(at) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError as error:
                    self._doubt(f"{prefix}{entry.name}", error)
                    continue
                known = found[:7]
                names.append(entry.name)
                records.append(pack(*known, found.st_mtime_ns))
                if known[0] & _TYPE == _DIRECTORY:
                    inner.append(entry.name)
                elif self._pool is not None:
                    self._content(entry.name, at, f"{prefix}{entry.name}", known[0] & _TYPE, self._pool)
        self.listings[path] = ("/".join(names), b"".join(records))
        for name in inner:
            self._inner(name, at, f"{prefix}{name}", depth=depth + 1)

    def _content(self, name: str, at: int | None, path: str, kind: int, pool: DaemonPool) -> None:
        if kind == _FILE:
            self._read(name, at, path, pool)
        elif kind == _LINK:
            try:
                self.digests[path] = os.fsencode(os.readlink(name, dir_fd=at))
            except OSError as error:
                self._doubt(path, error)

    def _read(self, name: str, at: int | None, path: str, pool: DaemonPool) -> None:
        self._room.acquire()
        try:
            file = open_quietly(name, FILE, within=at)
        except OSError as error:
            self._room.release()
            self._doubt(path, error)
            return
        size = os.fstat(file).st_size
        if size > _SMALL:
            pool.submit(partial(self._digest, file, path, size))
        else:
            self._digest(file, path, size)

    def _digest(self, file: int, path: str, size: int) -> None:
        try:
            self.digests[path] = _digest(file, size)
        except OSError as error:
            self._doubt(path, error)
        finally:
            os.close(file)
            self._room.release()

    def _doubt(self, path: str, error: OSError) -> None:
        if error.errno not in GONE:
            self.unread[path] = error.strerror or str(error)


def _digest(file: int, size: int) -> bytes:
    # Zeros count by their place alone: file systems make holes of them, and of holes zeros, as they like.
    digest = hashlib.sha256(size.to_bytes(8))
    at = 0
    while at < size and (at := _data(file, at)) < size:
        piece = os.pread(file, min(_CHUNK, size - at), at)
        if not piece:
            break
        if piece != _ZEROS[: len(piece)]:
            digest.update(at.to_bytes(8))
            digest.update(piece)
        at += _CHUNK
    return digest.digest()


def _data(file: int, at: int) -> int:
    """Return where the chunk begins that has the next data, or a place behind every end."""
    try:
        return os.lseek(file, at, os.SEEK_DATA) // _CHUNK * _CHUNK
    except OSError as error:
        if error.errno == errno.ENXIO:
            return sys.maxsize
        if error.errno == errno.EINVAL:
            return at  # this file system does not report holes
        raise


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

"""The fingerprint of a directory tree: what every entry is, and on request what is in it, without touching anything.

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
from functools import partial
from pathlib import Path

from kharness.host.machine.programs import DaemonPool
from kharness.host.trees import FILE, GONE, MAX_DEPTH, holding, open_directory, open_quietly
from kharness.plan.session.untouched import RECORD, TOP, Fingerprint

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

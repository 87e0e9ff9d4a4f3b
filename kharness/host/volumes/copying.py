"""Copy a tree: two open directories side by side, and a few threads for the contents of files.

A small file's content costs the kernel about as much as opening the file, so every call counts in `copy_small`: an
owner or a mode that a new file has already is not set again. Files that are out of the ordinary take the general way.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from kharness.errors import HostError
from kharness.host.trees import DIRECTORY, FILE, GONE, MAX_DEPTH, Inode, holding, inode_of, open_directory, open_quietly
from kharness.host.volumes import content
from kharness.host.volumes.content import FICLONE, Lost, allocated, give, give_named

SMALL = 8 << 20
"""Bytes up to which a file is small: the copy of a longer one reports progress, and can be stopped half way."""
_READ = FILE | os.O_NOATIME
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_PLAIN, _SPECIAL = 0o777, 0o7000
_EVERY = -1
"""Every bit of the mode must be set: the first file was created with another mode."""


def copy_small(source: int, target: int, names: Sequence[str], *, share: bool) -> tuple[int, list[str]]:
    """Copy regular files from one open directory into another; returns the bytes, and names for the general way.

    Nothing is left of these. With `share` the copies share their originals' blocks. Raises OSError.
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
            new = os.open(name, _CREATE, _PLAIN if given is None else found.st_mode & _PLAIN, dir_fd=target)
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


Progress = Callable[[str], None]

_THREADS = min(4, os.cpu_count() or 1)
_BATCH = 16
_EVERY_FLAG = 1.0


class _StoppedError(Exception):
    """Another thread failed, or the user interrupted."""


@dataclass(slots=True)
class Copier:
    """One copy to an open directory; `contents` False copies directories alone. `source` is for messages."""

    source: Path
    target: int
    contents: bool
    reflink: bool
    progress: Progress | None
    files: int = 0
    bytes: int = 0
    vanished: list[str] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)
    """Those that were met, and not copied."""
    lost: Lost = field(default_factory=set)
    _links: dict[Inode, str] = field(default_factory=dict)
    unshared: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _told: float = 0.0

    def run(self, source: int) -> None:
        """Copy all that is in `source`, then its own attributes. Raises `HostError` and OSError."""
        self._told = time.monotonic()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="copy") as pool:
            try:
                self._directory(source, self.target, "", pool, depth=0)
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def file(self, source: int, target: int, name: str, path: str = "", *, as_name: str | None = None) -> None:
        """Copy one regular file of an open directory into another one. Raises `HostError`."""
        path = path or name
        with self._naming(path):
            self._file(source, target, name, path, as_name or name)

    def _file(self, source: int, target: int, name: str, path: str, as_name: str) -> None:
        old = _opened(name, within=source, how=FILE)
        if old is None:
            self._gone(path)
            return
        with holding(old):
            found = os.fstat(old)
            if not stat.S_ISREG(found.st_mode):
                self._gone(path)
                return
            with holding(os.open(as_name, _CREATE, 0o600, dir_fd=target)) as new:
                self._fill(old, new, found)
                give(old, new, found, lost=self.lost)
        with self._lock:
            self.files += 1

    def _directory(self, source: int, target: int, path: str, pool: ThreadPoolExecutor, *, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise HostError(f"{path}: should not be deeper than {MAX_DEPTH} directories to be copied")
        found = os.fstat(source)
        if depth and os.path.samestat(found, os.fstat(self.target)):
            raise HostError(f"{self.source / path}: should not be copied into itself")
        pending: list[Future[None]] = []
        try:
            for batch in _batched(self._entries(source, target, path, pool, depth=depth), _BATCH):
                if self.reflink:
                    # Threads would only wait for one another.
                    self._files(source, target, batch, path)
                else:
                    # One by one: after a failure, those that have begun are waited for.
                    pending.append(pool.submit(self._files, source, target, batch, path))
            self._await(pending)
        except BaseException:
            # The directories must stay open for as long as a thread works in them.
            self._stop.set()
            wait(pending)
            raise
        with self._naming(path):
            # Last, because everything that was made in it has moved its times.
            give(source, target, found, lost=self.lost)

    def _entries(self, source: int, target: int, path: str, pool: ThreadPoolExecutor, *, depth: int) -> Iterator[str]:
        # Yields the plain files, which others take; does the rest itself.
        with self._naming(path), os.scandir(source) as entries:
            found = [(entry.name, entry.is_file(follow_symlinks=False)) for entry in entries]
        for name, regular in found:
            here = f"{path}/{name}" if path else name
            if (regular and self.reflink) or self._is_plain(source, target, name, here, pool, depth=depth):
                yield name

    def _is_plain(
        self, source: int, target: int, name: str, path: str, pool: ThreadPoolExecutor, *, depth: int
    ) -> bool:
        try:
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
        except FileNotFoundError:
            self._gone(path)
            return False
        if stat.S_ISDIR(found.st_mode):
            self._inner(source, target, name, path, pool, depth=depth)
        elif self.contents and stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return True
        elif self.contents:
            with self._naming(path):
                self._other(source, target, name, found, path)
        return False

    def _inner(self, source: int, target: int, name: str, path: str, pool: ThreadPoolExecutor, *, depth: int) -> None:
        with self._naming(path):
            old = _opened(name, within=source, how=DIRECTORY)
        if old is None:
            self._gone(path)
            return
        with holding(old):
            with self._naming(path):
                os.mkdir(name, 0o700, dir_fd=target)
                new = open_directory(name, within=target)
            with holding(new):
                self._directory(old, new, path, pool, depth=depth + 1)

    def _files(self, source: int, target: int, batch: Sequence[str], path: str) -> None:
        if self._stop.is_set():
            raise _StoppedError
        with self._naming(path):
            size, rest = copy_small(source, target, batch, share=self.reflink)
        with self._lock:
            self.files += len(batch) - len(rest)
            self.bytes += size
        for name in rest:
            here = f"{path}/{name}" if path else name
            with self._naming(here):
                self._again(source, target, name, here)
        self._tell()

    def _again(self, source: int, target: int, name: str, path: str) -> None:
        try:
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
        except FileNotFoundError:
            self._gone(path)
            return
        if stat.S_ISDIR(found.st_mode):
            self._gone(path)
        else:
            self._other(source, target, name, found, path)

    def _other(self, source: int, target: int, name: str, found: os.stat_result, path: str) -> None:
        if stat.S_ISREG(found.st_mode):
            self._linked(source, target, name, found, path)
            return
        if stat.S_ISSOCK(found.st_mode):
            self.sockets.append(path)
            return
        if stat.S_ISLNK(found.st_mode):
            try:
                text = os.readlink(name, dir_fd=source)
            except OSError as error:
                if error.errno not in GONE | {errno.EINVAL}:
                    raise
                self._gone(path)
                return
            os.symlink(text, name, dir_fd=target)
        else:
            os.mknod(name, stat.S_IFMT(found.st_mode) | 0o600, found.st_rdev, dir_fd=target)
        give_named(source, target, name, found, lost=self.lost)
        with self._lock:
            self.files += 1

    def _linked(self, source: int, target: int, name: str, found: os.stat_result, path: str) -> None:
        # Files with several names are copied by the walk itself: the next name finds a complete file.
        inode = inode_of(found)
        first = self._links.get(inode) if found.st_nlink > 1 else None
        if first is not None:
            try:
                os.link(first, name, src_dir_fd=self.target, dst_dir_fd=target, follow_symlinks=False)
            except OSError as error:
                # The first one vanished, or has as many names as this file system allows.
                if error.errno not in {errno.ENOENT, errno.EMLINK}:
                    raise
            else:
                self.files += 1
                return
        self.file(source, target, name, path)
        if found.st_nlink > 1:
            self._links[inode] = path

    def _fill(self, source: int, target: int, found: os.stat_result) -> None:
        if found.st_size and not self._share(source, target):
            content.copy(source, target, found, told=self._count)
        elif found.st_size:
            self._count(found.st_size)

    def _share(self, source: int, target: int) -> bool:
        if not self.reflink:
            return False
        if content.share(source, target):
            return True
        # On another file system that is mounted there, or a file that never shares.
        self.unshared = True
        return False

    def _count(self, number: int) -> None:
        with self._lock:
            self.bytes += number
        if self._stop.is_set():
            raise _StoppedError

    @contextmanager
    def _naming(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HostError(f"{self.source / path}: cannot be copied: {error.strerror}") from error

    def _gone(self, path: str) -> None:
        with self._lock:
            self.vanished.append(path)

    def _await(self, pending: list[Future[None]]) -> None:
        left = set(pending)
        while left:
            done, left = wait(left, timeout=_EVERY_FLAG, return_when="FIRST_EXCEPTION")
            for future in done:
                future.result()
            self._tell()

    def _tell(self) -> None:
        if self.progress is None or time.monotonic() - self._told < _EVERY_FLAG:
            return
        with self._lock:
            if time.monotonic() - self._told < _EVERY_FLAG:
                return
            self._told = time.monotonic()
            line = f"copied {self.files} files, {self.bytes / 1e6:.0f} MB"
        self.progress(line)


def _opened(name: str, *, within: int, how: int) -> int | None:
    try:
        return open_quietly(name, how, within=within)
    except OSError as error:
        if error.errno not in GONE:
            raise
        return None


def _batched(names: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(islice(names, size)):
        yield batch

"""Directory trees by descriptors: open, walk, and never leave them.

What is in a volume may be changed by a container meanwhile, and may try to lead elsewhere. So nothing here follows a
link below the top of a tree, opens anything but directories, or looks at a path twice. Directories are opened step by
step with O_NOFOLLOW rather than by openat2(2): that is as safe, works on every kernel, and knows which component is the
link.

Three loops are kept apart from `walk`, and share the rest: `fingerprint` and `copying` are tuned, and one more call for
each entry would be felt there; `removal` changes what it walks, and goes to any depth with one open directory.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kharness.errors import HostError

MAX_DEPTH = 200
"""Directories within one another; a walk holds one of the process's open files for each, a copy two."""
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags that wait for nothing: a fifo may have taken the file's place."""
HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
GONE = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO})
"""What opening an entry answers that has vanished, or has become something else, since it was listed."""

Inode = tuple[int, int]
"""A device and a number on it: one file or directory, under all its names."""
Unread = Callable[[str, str], None]
"""Called with the path of a directory below the top that cannot be read, and why."""


class InTheWayError(HostError):
    """The last component of `path` is a link, or is no directory; `why` is the sentence without its subject."""

    def __init__(self, path: Path, why: str, *, is_link: bool = False) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why
        self.is_link = is_link


class TreeEntry(NamedTuple):
    """An entry of a tree: its path below the top, its name in the open directory `at`, and its own stat(2).

    `at` is open until the next entry is asked for.
    """

    path: str
    name: str
    at: int
    found: os.stat_result

    def leads_to(self) -> str:
        """Return the text of a symbolic link. Raises OSError."""
        return os.readlink(self.name, dir_fd=self.at)


def open_quietly(name: str | Path, how: int, *, within: int | None = None) -> int:
    """Open an entry, leaving its access time alone where that is allowed. Raises OSError."""
    try:
        return os.open(name, how | os.O_NOATIME, dir_fd=within)
    except PermissionError:
        return os.open(name, how, dir_fd=within)


def open_directory(name: str | Path, *, within: int | None = None) -> int:
    """Open a directory for reading, not through a link. Raises OSError."""
    return open_quietly(name, DIRECTORY, within=within)


@contextmanager
def holding(descriptor: int) -> Iterator[int]:
    """Close a descriptor at the end of the block."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_beneath(root: Path | int, parts: Iterable[str], *, make: Callable[[int, str], object] | None = None) -> int:
    """Return a descriptor of the directory `root/PARTS`; the root may be a link, and nothing below it is followed.

    `make` is called with an open directory and the name of a directory that is missing in it. Raises `InTheWayError`,
    FileNotFoundError where something is missing and not made, and OSError; the `filename` of these is the whole path.
    """
    at = os.dup(root) if isinstance(root, int) else os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    path = Path() if isinstance(root, int) else root
    try:
        for part in parts:
            path /= part
            inner = _enter(at, part, path, make)
            os.close(at)
            at = inner
    except BaseException:
        os.close(at)
        raise
    return at


def _enter(at: int, part: str, path: Path, make: Callable[[int, str], object] | None) -> int:
    if part == "..":
        raise InTheWayError(path, "should not lead up again")
    try:
        try:
            return os.open(part, DIRECTORY, dir_fd=at)
        except FileNotFoundError:
            if make is None:
                raise
        make(at, part)
        return os.open(part, DIRECTORY, dir_fd=at)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise _in_the_way(at, part, path) from error
        error.filename = str(path)
        raise


def _in_the_way(at: int, part: str, path: Path) -> InTheWayError:
    try:
        leads_to = os.readlink(part, dir_fd=at)
    except OSError:
        return InTheWayError(path, "should be a directory, not a file")
    return InTheWayError(path, f"should be a directory, not a symbolic link (to {leads_to!r})", is_link=True)


def inode_of(found: os.stat_result) -> Inode:
    """Return the inode of a stat(2)."""
    return found.st_dev, found.st_ino


def mount_id(descriptor: int) -> str:
    """Return the mount that an open file or directory is on, as a text."""
    # st_dev does not tell a bind mount of the same file system; proc(5) has the mount of a descriptor.
    with holding(os.open(f"/proc/self/fdinfo/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)) as file:
        lines = os.read(file, 4096).decode("ascii").splitlines()
    return next(line for line in lines if line.startswith("mnt_id:"))


def walk(
    top: int,
    where: Path,
    *,
    bottom_up: bool = False,
    mounts: bool = True,
    skip: Callable[[str], bool] | None = None,
    unread: Unread | None = None,
) -> Generator[TreeEntry]:
    """Yield everything in an open directory, in the order of the names; `where` is its path for messages.

    A directory comes before what is in it, or after that with `bottom_up`. Entries that vanish meanwhile are left out.
    Names that `skip` accepts are left out. Without `mounts`, a directory that is a mount point is yielded and not
    entered. Raises `HostError` for a directory that cannot be read and for one that is too deep, unless `unread` takes
    them.
    """
    refuse = unread or _raiser(where)
    on = "" if mounts else mount_id(top)
    # Of each open directory: its descriptor, what is still to come of it, and the entry that it is itself.
    levels: list[tuple[int, Iterator[TreeEntry], TreeEntry | None]] = []
    try:
        levels.append((os.dup(top), _entries(top, "", skip, refuse), None))
        while levels:
            at, entries, itself = levels[-1]
            for entry in entries:
                if not stat.S_ISDIR(entry.found.st_mode):
                    yield entry
                    continue
                if not bottom_up:
                    yield entry
                inner = _open_inner(entry, on, refuse, depth=len(levels))
                if inner is not None:
                    levels.append((inner, _entries(inner, f"{entry.path}/", skip, refuse), entry))
                    break
                if bottom_up:
                    yield entry
            else:
                levels.pop()
                os.close(at)
                if bottom_up and itself is not None:
                    yield itself
    finally:
        for level in levels:
            os.close(level[0])


def _entries(at: int, prefix: str, skip: Callable[[str], bool] | None, refuse: Unread) -> Iterator[TreeEntry]:
    try:
        names = sorted(os.listdir(at))
    except OSError as error:
        refuse(prefix.removesuffix("/"), f"cannot be read: {error.strerror}")
        return
    for name in names:
        if skip is not None and skip(name):
            continue
        try:
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield TreeEntry(f"{prefix}{name}", name, at, found)


def _open_inner(entry: TreeEntry, on: str, refuse: Unread, *, depth: int) -> int | None:
    if depth > MAX_DEPTH:
        refuse(entry.path, f"should not be deeper than {MAX_DEPTH} directories")
        return None
    try:
        inner = open_directory(entry.name, within=entry.at)
    except OSError as error:
        if error.errno not in GONE:
            refuse(entry.path, f"cannot be read: {error.strerror}")
        return None
    if on and mount_id(inner) != on:
        os.close(inner)
        return None
    return inner


def _raiser(where: Path) -> Unread:
    def refuse(path: str, why: str) -> None:
        raise HostError(f"{where / path}: {why}")

    return refuse

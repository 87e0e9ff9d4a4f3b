"""Directories of volumes: make them, tell their file system, and remove whole trees without ever leaving them.

A test's writable volume holds what a container made: any names, any depth, links to anywhere, while something may still
write. So a removal follows no link and crosses no mount point; it holds one directory open at a time, and comes back up
through `..`, which it verifies.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from kharness.errors import HostError
from kharness.host.machine.kernel import mounts_below, read_mounts
from kharness.host.trees import DIRECTORY, HANDLE, Inode, holding, inode_of, mount_id, open_beneath

_AGAIN = 20
"""How often a directory is emptied again into which something is written meanwhile."""


def ensure_directory(root: Path, relative: str, *, mode: int = 0o755, owner: tuple[int, int] | None = None) -> Path:
    """Return `root/relative`, a directory; what is missing of it is created.

    `mode` and `owner` (uid, gid) are given to the last directory alone, and only when it is made here; those on the
    way are 0755. The root itself may be a link, as the host's configuration says it. Below it no link is followed,
    not even one that is put there meanwhile: `HostError` names the component that is a link or no directory.
    """
    parts = _parts(root, relative)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"{root}: should be a directory that can be written: {error.strerror}") from error
    try:
        os.close(open_beneath(root, parts[:-1], make=_make))
        os.close(open_beneath(root, parts, make=partial(_make, mode=mode, owner=owner)))
    except OSError as error:
        raise HostError(f"{error.filename}: cannot be made or opened: {error.strerror}") from error
    return root.joinpath(*parts)


def remove_if_empty(path: Path | str) -> None:
    """Remove a directory unless something is in it; one that is not there is no error."""
    with suppress(OSError):
        Path(path).rmdir()


def filesystem_id(path: Path) -> str:
    """Return a text that stays the same while the same file system is mounted there, across reboots where it can.

    It is the kernel's own id (statfs(2), made from the UUID by ext4, btrfs, f2fs, from the device by xfs). A device
    number is not part of it where such an id exists: it changes when a disk is added. Network file systems without
    an id are known by their source. Raises `HostError`.
    """
    try:
        device = path.stat().st_dev
        fsid = os.statvfs(path).f_fsid
    except OSError as error:
        raise HostError(f"{path}: its file system cannot be told: {error.strerror}") from error
    if fsid:
        return f"fsid:{fsid:016x}"
    return _mount_source(device) or f"dev:{os.major(device)}:{os.minor(device)}"


def _parts(root: Path, relative: str) -> tuple[str, ...]:
    parts = PurePosixPath(relative).parts
    if not parts or relative.startswith("/") or ".." in parts or "\0" in relative:
        raise HostError(f"{relative!r}: should be a path below {root}")
    return parts


def _make(at: int, name: str, *, mode: int = 0o755, owner: tuple[int, int] | None = None) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=at)
        with holding(os.open(name, DIRECTORY, dir_fd=at)) as made:
            if owner is not None:
                os.fchown(made, *owner)
            # Not left to mkdir, whose mode the umask lowers.
            os.fchmod(made, mode)


def _mount_source(device: int) -> str | None:
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = read_mounts()
    except OSError:
        return None
    # That of a network file system names its server.
    named = (each for each in mounts if each.device == wanted and ":" in each.source)
    return next((f"{each.kind} {each.source}" for each in named), None)


def remove_tree(path: Path) -> None:
    """Remove a file, a link (not its target) or a directory with all that is in it; a missing one is no error.

    Directories without write permission are no obstacle for their owner. Nothing at all is removed where a file system
    or directory is mounted on or below `path`. Everything that can be removed is, before `HostError` names the first
    thing that cannot, such as an immutable file.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - a link at the end must stay one
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"{path}: cannot be removed: {error.strerror}") from error
    try:
        found = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            os.unlink(path.name, dir_fd=parent)
            return
        for mounted in mounts_below(path.parent.resolve() / path.name):
            raise HostError(f"{path}: should have nothing mounted in it to be removed, and has {mounted.place}")
        _Removal(path, os.dup(parent)).run()
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"{path}: cannot be removed: {error.strerror}") from error
    finally:
        os.close(parent)


@dataclass(slots=True)
class _Level:
    """A directory on the way: its name, the one above, the directories still to be entered, and if it has to stay."""

    name: str
    above: Inode
    inner: list[str]
    stays: bool = False


@dataclass(slots=True)
class _Removal:
    """One walk down and up again; `at` is the directory that is open."""

    path: Path
    at: int
    problems: list[str] = field(default_factory=list)
    levels: list[_Level] = field(default_factory=list)
    again: int = _AGAIN
    mount: str = ""

    def run(self) -> None:
        try:
            self.mount = mount_id(self.at)
            self._enter(self.path.name)
            while self.levels:
                if inner := self.levels[-1].inner:
                    self._enter(inner.pop())
                else:
                    self._leave()
        finally:
            os.close(self.at)
        if self.problems:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            raise HostError(f"{self.problems[0]}{more}")

    def _enter(self, name: str) -> None:
        try:
            inner = _open(name, within=self.at)
        except FileNotFoundError:
            return
        except OSError as error:
            self._note(name, f"cannot be removed: {error.strerror}")
            return
        if mount_id(inner) != self.mount:
            os.close(inner)
            self._note(name, "should not be a mount point to be removed")
            return
        above = inode_of(os.fstat(self.at))
        os.close(self.at)
        self.at = inner
        self.levels.append(_Level(name, above, []))
        self._empty()

    def _empty(self) -> None:
        mode = os.fstat(self.at).st_mode
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            with suppress(OSError):
                os.fchmod(self.at, stat.S_IMODE(mode) | stat.S_IRWXU)
        with os.scandir(self.at) as entries:
            found = list(entries)
        for entry in found:
            try:
                if entry.is_dir(follow_symlinks=False):
                    self.levels[-1].inner.append(entry.name)
                else:
                    os.unlink(entry.name, dir_fd=self.at)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._note(entry.name, f"cannot be removed: {error.strerror}")

    def _leave(self) -> None:
        level = self.levels.pop()
        above = os.open("..", DIRECTORY, dir_fd=self.at)
        os.close(self.at)
        self.at = above
        if inode_of(os.fstat(above)) != level.above:
            raise HostError(f"{self._name(level.name)}: should not be moved while it is removed")
        if level.stays:
            if self.levels:
                self.levels[-1].stays = True
            return
        try:
            os.rmdir(level.name, dir_fd=self.at)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno == errno.ENOTEMPTY and self.again:
                self.again -= 1
                self._enter(level.name)
            else:
                self._note(level.name, f"cannot be removed: {error.strerror}")

    def _note(self, name: str, problem: str) -> None:
        if self.levels:
            self.levels[-1].stays = True
        self.problems.append(f"{self._name(name)}: {problem}")

    def _name(self, name: str) -> str:
        return str(self.path.parent.joinpath(*(level.name for level in self.levels), name))


def _open(name: str, *, within: int) -> int:
    try:
        return os.open(name, DIRECTORY, dir_fd=within)
    except PermissionError:
        # Its owner may still change the mode; by descriptor, so that a link put in its place is not followed.
        with holding(os.open(name, HANDLE | os.O_DIRECTORY, dir_fd=within)) as handle:
            Path(f"/proc/self/fd/{handle}").chmod(stat.S_IRWXU)
        return os.open(name, DIRECTORY, dir_fd=within)

"""Remove a directory tree without ever leaving it: no link is followed, no mount point crossed.

A test's writable volume holds what a container made: any names, any depth, links to anywhere, while something may still
write. The walk holds one directory open at a time, and comes back up through `..`, which it verifies.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kharness.errors import HostError
from kharness.host.mountinfo import mounts_below

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_AGAIN = 20
"""How often directories into which something is written meanwhile are emptied anew."""

Identity = tuple[int, int]


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
    above: Identity
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
        above = _identity(self.at)
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
        above = os.open("..", _DIRECTORY, dir_fd=self.at)
        os.close(self.at)
        self.at = above
        if _identity(above) != level.above:
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
        return os.open(name, _DIRECTORY, dir_fd=within)
    except PermissionError:
        # Its owner may still change the mode; by descriptor, so that a link put in its place is not followed.
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
        try:
            Path(f"/proc/self/fd/{handle}").chmod(stat.S_IRWXU)
        finally:
            os.close(handle)
        return os.open(name, _DIRECTORY, dir_fd=within)


def _identity(directory: int) -> Identity:
    found = os.fstat(directory)
    return (found.st_dev, found.st_ino)


def mount_id(directory: int) -> str:
    """Return the mount that an open directory is on, as a text."""
    # st_dev does not tell a bind mount of the same file system; proc(5) has the mount of a descriptor.
    lines = Path(f"/proc/self/fdinfo/{directory}").read_text(encoding="ascii").splitlines()
    return next(line for line in lines if line.startswith("mnt_id:"))

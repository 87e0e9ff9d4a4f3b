"""Give everything in a directory to the same owners in another id mapping.

An id that is in the new mapping already is left alone, and the two share none: what was interrupted is just done
again. An owner is changed last, after ACLs, so that it tells whether the rest was done. No link is followed, and no
mount point crossed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from kharness.errors import HostError
from kharness.host.ownership import CAPABILITY, change_owner, extended, has_set_id
from kharness.host.removal import mount_id
from kharness.host.survey import MAX_DEPTH
from kharness.host.volumes import why_no_directory
from kharness.plan.shift import Place, Shift, Shifted

ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_INSIDE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

Identity = tuple[int, int]


def shift_tree(root: Path, relative: str, shift: Shift, *, dry_run: bool = False) -> Shifted | None:
    """Move the owners of `root/relative`, a file or a directory with all that is in it; None where nothing is there.

    Below `root` no link is followed. Raises `HostError` where an entry cannot be moved; then everything before it is,
    and the same call goes on from there.
    """
    walk = _Walk(shift, dry_run=dry_run)
    try:
        with _entry(root, relative) as (at, name):
            walk.take(at, name, root / relative)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"{walk.at or root / relative}: its owner cannot be moved: {error.strerror}") from error
    return walk.found()


class _Walk:
    def __init__(self, shift: Shift, *, dry_run: bool) -> None:
        self.at: Path | None = None
        self._shift = shift
        self._dry_run = dry_run
        self._seen: set[Identity] = set()
        self._counts = {"moved": 0, "done": 0, "foreign": 0, "kept": 0}
        self._left: list[str] = []
        self._example = ""

    def found(self) -> Shifted:
        return Shifted(**self._counts, example=self._example, left=tuple(self._left))

    def take(self, at: int, name: str, path: Path, *, depth: int = 0, mount: str = "") -> None:
        """Move an entry of an open directory, and what is in it; `mount` is the one that the walk is on."""
        self.at = path
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            self._take_link(at, name, path, found, depth=depth)
            return
        # What is neither is not opened: that would wait for somebody, or command a device.
        flags = {stat.S_IFDIR: _INSIDE, stat.S_IFREG: _FILE}.get(stat.S_IFMT(found.st_mode), _HANDLE)
        with _opened(name, flags, at) as opened:
            here = mount_id(opened)
            if mount not in {"", here}:
                self._left.append(str(path))
                return
            if flags == _INSIDE:
                self._take_entries(opened, path, depth=depth, mount=here)
            if flags == _HANDLE:
                self._move_handle(opened, path)
            else:
                self._move(opened, path)

    def _take_link(self, at: int, name: str, path: Path, found: os.stat_result, *, depth: int) -> None:
        if depth == 0:
            raise HostError(f"{path}: should be a directory, not a symbolic link (to {os.readlink(name, dir_fd=at)!r})")
        if self._count(found, path) and not self._dry_run:
            os.chown(name, *self._shift.owner(found.st_uid, found.st_gid), dir_fd=at, follow_symlinks=False)

    def _take_entries(self, directory: int, path: Path, *, depth: int, mount: str) -> None:
        if depth > MAX_DEPTH:
            raise HostError(f"{path}: should not be more than {MAX_DEPTH} directories deep")
        for entry in sorted(os.listdir(directory)):
            # What vanishes meanwhile has no owner any more.
            with suppress(FileNotFoundError):
                self.take(directory, entry, path / entry, depth=depth + 1, mount=mount)
        self.at = path

    def _move(self, opened: int, path: Path) -> None:
        found = os.fstat(opened)
        capability = extended(opened, CAPABILITY) if stat.S_ISREG(found.st_mode) else None
        changes = self._count(found, path, special=capability is not None or has_set_id(found))
        if self._dry_run:
            return
        self._move_acls(opened)
        if changes:
            change_owner(opened, self._shift.owner(found.st_uid, found.st_gid))
        if capability is not None and (moved := self._shift.capability(capability)) != capability:
            os.setxattr(opened, CAPABILITY, moved)

    def _move_handle(self, handle: int, path: Path) -> None:
        found = os.fstat(handle)
        if self._count(found, path, special=has_set_id(found)) and not self._dry_run:
            same = Path(f"/proc/self/fd/{handle}")
            os.chown(same, *self._shift.owner(found.st_uid, found.st_gid))
            if has_set_id(found):
                same.chmod(stat.S_IMODE(found.st_mode))

    def _move_acls(self, opened: int) -> None:
        for name in ACLS:
            value = extended(opened, name)
            if value is not None and (moved := self._shift.acl(value)) != value:
                os.setxattr(opened, name, moved)

    def _count(self, found: os.stat_result, path: Path, *, special: bool = False) -> bool:
        """Whether the owner changes; each inode is counted once, however many names it has."""
        places = {self._shift.uid.place(found.st_uid), self._shift.gid.place(found.st_gid)}
        changes = Place.OLD in places
        identity = (found.st_dev, found.st_ino)
        if identity not in self._seen:
            if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                self._seen.add(identity)
            foreign = Place.FOREIGN in places
            self._counts["moved"] += changes
            self._counts["kept"] += changes and special
            self._counts["done"] += places == {Place.NEW}
            self._counts["foreign"] += foreign
            if foreign and not self._example:
                self._example = str(path)
        return changes


@contextmanager
def _entry(root: Path, relative: str) -> Iterator[tuple[int, str]]:
    *above, name = PurePosixPath(relative).parts or (".",)
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for depth, part in enumerate(above, start=1):
            try:
                inner = os.open(part, _INSIDE, dir_fd=at)
            except FileNotFoundError:
                raise
            except OSError as error:
                path = root.joinpath(*above[:depth])
                raise HostError(f"{path}: {why_no_directory(at, part, error)}") from error
            os.close(at)
            at = inner
        yield at, name
    finally:
        os.close(at)


@contextmanager
def _opened(name: str, flags: int, at: int) -> Iterator[int]:
    opened = os.open(name, flags, dir_fd=at)
    try:
        yield opened
    finally:
        os.close(opened)

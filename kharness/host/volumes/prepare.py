"""Make, compare and mend one directory or file of a volume, by directory descriptors: no link is ever followed.

A new entry gets its owner, mode and contents under a temporary name, and its own name last. A process that is killed
leaves at most the temporary name, which the next run removes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from kharness.errors import HostError
from kharness.host.trees import DIRECTORY, FILE, InTheWayError, holding, open_beneath
from kharness.host.volumes.content import change_owner
from kharness.plan.volumes.prepare import DIRECTORY_MODE, Item, ItemKind, Prepared, PreparedState

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NOREPLACE = 1
_WORDS = {stat.S_IFREG: "a file", stat.S_IFDIR: "a directory", stat.S_IFIFO: "a fifo", stat.S_IFSOCK: "a socket"}

ReadContents = Callable[[], bytes]


def prepare_item(
    item: Item, contents: ReadContents, *, dry_run: bool = False, fix: bool = False, owners: bool = True, mend: str = ""
) -> Prepared:
    """Make the item if it is not there; else compare it, and with `fix` mend its owner and mode.

    `contents` is called only for a new file. Without `owners` no owner is compared or changed. `mend` is added to the
    error of a user who is not root. A link, or anything of another kind in the item's place or on the way
    to it, is refused. Raises `HostError` where something cannot be done; then nothing is half made.
    """
    task = _Task(item, contents, dry_run=dry_run, fix=fix, owners=owners)
    try:
        return task.run()
    except OSError as error:
        advice = f"; {mend}" if mend and os.geteuid() and error.errno in {errno.EPERM, errno.EACCES} else ""
        raise HostError(f"{item.path}: cannot be prepared: {task.doing}: {error.strerror}{advice}") from error


class _RefusedError(Exception):
    """An entry of another kind is in the way."""


class _Task:
    def __init__(self, item: Item, contents: ReadContents, *, dry_run: bool, fix: bool, owners: bool) -> None:
        self.item = item
        self.contents = contents
        self.dry_run = dry_run
        self.fix = fix
        self.owners = owners
        self.doing = "it cannot be inspected"

    def run(self) -> Prepared:
        try:
            *above, name = PurePosixPath(self.item.relative).parts or (".",)
            at = self._open(above)
            if at is None:
                return self._done(PreparedState.CREATED)
            with holding(at):
                return self._there(at, name)
        except InTheWayError as error:
            return self._done(PreparedState.REFUSED, f"{error.path.name!r} on the way {error.why}")
        except _RefusedError as error:
            return self._done(PreparedState.REFUSED, str(error))

    def _open(self, above: Sequence[str]) -> int | None:
        """Return the directory that the item is in, None where it would have to be made in a dry run."""
        root = Path(self.item.root)
        try:
            return open_beneath(root, above, make=None if self.dry_run else self._make_way)
        except FileNotFoundError:
            if root.is_dir():
                return None
            raise HostError(
                f"{root}: should be a directory, and is not there; mount it, or 'mkdir -p {root}'"
            ) from None

    def _make_way(self, at: int, part: str) -> None:
        # As in a launch without items, directories on the way are a user's own where that user is not root.
        owner = self.item.root_owner if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        self._make_directory(at, part, owner, DIRECTORY_MODE)

    def _there(self, at: int, name: str) -> Prepared:
        try:
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            return self._create(at, name)
        wanted = stat.S_IFREG if self.item.kind is ItemKind.FILE else stat.S_IFDIR
        if stat.S_IFMT(found.st_mode) != wanted:
            raise _RefusedError(f"should be a {self.item.kind}, not {_word(at, name, found)}")
        if self.item.implied:
            return self._done(PreparedState.AS_DECLARED)
        notes = self._differences(found)
        if not notes:
            return self._done(PreparedState.AS_DECLARED)
        if not self.fix:
            return self._done(PreparedState.DIFFERS, *notes)
        if not self.dry_run:
            self._mend(at, name)
        return self._done(PreparedState.FIXED, *notes)

    def _create(self, at: int, name: str) -> Prepared:
        if not self.dry_run:
            if self.item.kind is ItemKind.FILE:
                self._make_file(at, name)
            else:
                self._make_directory(at, name, self.item.owner, self.item.mode)
        return self._done(PreparedState.CREATED)

    def _make_directory(self, at: int, name: str, owner: tuple[int, int], mode: int) -> None:
        self.doing = f"the directory {name!r} cannot be made"
        with _unfinished(at, name) as new:
            os.mkdir(new, 0o700, dir_fd=at)
            with holding(os.open(new, DIRECTORY, dir_fd=at)) as opened:
                self._give(opened, owner, mode)
            self._publish(at, new, name)

    def _make_file(self, at: int, name: str) -> None:
        content = self.contents()
        self.doing = f"the file {name!r} cannot be made"
        with _unfinished(at, name) as new:
            with open(os.open(new, _NEW_FILE, 0o600, dir_fd=at), "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(content)
                file.flush()
                self._give(file.fileno(), self.item.owner, self.item.mode)
                os.fsync(file.fileno())
            self._publish(at, new, name)

    def _publish(self, at: int, new: str, name: str) -> None:
        try:
            _rename(at, new, name)
        except FileExistsError:
            raise HostError(f"{self.item.path}: another process made {name!r} at this moment; try again") from None
        os.fsync(at)

    def _mend(self, at: int, name: str) -> None:
        self.doing = "its owner and mode cannot be changed"
        with holding(os.open(name, FILE if self.item.kind is ItemKind.FILE else DIRECTORY, dir_fd=at)) as opened:
            wanted = stat.S_IFREG if self.item.kind is ItemKind.FILE else stat.S_IFDIR
            if stat.S_IFMT(os.fstat(opened).st_mode) != wanted:
                raise _RefusedError(f"should be a {self.item.kind}, and was replaced at this moment")
            self._give(opened, self.item.owner, self.item.mode)

    def _give(self, opened: int, owner: tuple[int, int], mode: int) -> None:
        found = os.fstat(opened)
        if self.owners and (found.st_uid, found.st_gid) != owner:
            change_owner(opened, owner)
        # Last, and not left to mkdir, whose mode the umask lowers: a change of owner takes set-id bits away.
        os.fchmod(opened, mode)

    def _differences(self, found: os.stat_result) -> list[str]:
        notes = []
        owner, mode = (found.st_uid, found.st_gid), stat.S_IMODE(found.st_mode)
        if self.owners and owner != self.item.owner:
            mapped = "" if self.item.inside == self.item.owner else f" ({_pair(self.item.inside)} in the container)"
            notes.append(f"owner is {_pair(owner)}, should be {_pair(self.item.owner)}{mapped}")
        if mode != self.item.mode:
            notes.append(f"mode is {mode:04o}, should be {self.item.mode:04o}")
        return notes

    def _done(self, state: PreparedState, *notes: str) -> Prepared:
        return Prepared(item=self.item, state=state, notes=notes)


def unfinished(name: str) -> str:
    """Return what an entry is called until it is finished: its own, so that several can be made in one directory."""
    return f".kharness-new-{zlib.crc32(os.fsencode(name)):08x}"


@contextmanager
def _unfinished(at: int, name: str) -> Iterator[str]:
    new = unfinished(name)
    _discard(at, new)
    try:
        yield new
    except BaseException:
        _discard(at, new)
        raise


def _discard(at: int, new: str) -> None:
    # An empty directory, or a file: nothing else has such a name.
    with suppress(FileNotFoundError):
        try:
            os.unlink(new, dir_fd=at)
        except (IsADirectoryError, PermissionError):
            os.rmdir(new, dir_fd=at)


def _rename(at: int, old: str, new: str) -> None:
    # Python has no name for renameat2(2), and not every C library has.
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        if renameat2(at, os.fsencode(old), at, os.fsencode(new), _NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in {errno.EINVAL, errno.ENOSYS}:
            raise OSError(number, os.strerror(number))
    # A file system without it, such as NFS. The lock keeps out other releases, and only its services run meanwhile.
    with suppress(FileNotFoundError):
        os.stat(new, dir_fd=at, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(old, new, src_dir_fd=at, dst_dir_fd=at)


def _word(at: int, name: str, found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return f"a symbolic link (to {os.readlink(name, dir_fd=at)!r})"
    return _WORDS.get(stat.S_IFMT(found.st_mode), "a device")


def _pair(owner: tuple[int, int]) -> str:
    return f"{owner[0]}:{owner[1]}"

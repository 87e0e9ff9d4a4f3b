"""An overlay over a directory: it looks like the original, and what is written goes elsewhere.

The kernel does it (its documentation: filesystems/overlayfs): the original is the lower directory and is never written
to, every change is in the upper one, which therefore *is* the list of what was changed. Writes to the original
meanwhile make both undefined, so the caller must prevent them. Needs root.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from kharness.errors import HostError
from kharness.host.drift.layers import UnclearError, hold, walk_upper
from kharness.host.machine.kernel import mounts_below
from kharness.host.trees import holding, open_directory, walk
from kharness.host.volumes.content import give
from kharness.plan.facts import Change
from kharness.plan.volumes.manifest import in_order

KIND = "overlay"
UPPER = "upper"
"""The name of the upper directory in an overlay's store."""
_PAGE = 4096
"""The most that mount(2) takes as options."""
_DETACH = 2
"""MNT_DETACH of umount2(2)."""


def why_no_overlay() -> str:
    """Return why no overlay can be mounted here, empty where one can."""
    if os.geteuid() != 0:
        return "only root mounts an overlay"
    try:
        known = Path("/proc/filesystems").read_text(encoding="ascii").split()
    except OSError as error:
        return f"/proc/filesystems: {error.strerror}"
    # A module is loaded when it is first asked for, and not in the list until then.
    return "" if KIND in known or Path("/sys/module").is_dir() else "the kernel has no overlay"


def mount_overlay(lower: Path, target: Path, store: Path) -> Path:
    """Mount an overlay over `lower` at `target`, both directories; returns the upper directory, in the new `store`.

    Renaming a directory works in it as on the original, and files of several names stay one file. Raises `HostError`;
    then nothing is mounted.
    """
    upper, work = store / UPPER, store / "work"
    try:
        lower = lower.resolve(strict=True)
        for directory in (upper, work):
            directory.mkdir(mode=0o700, parents=True)
        _become(lower, upper)
        for features in ("redirect_dir=on,index=on", "redirect_dir=on", ""):
            options = f"lowerdir={_escaped(lower)},upperdir={_escaped(upper)},workdir={_escaped(work)}"
            number = _mount(target, ",".join(filter(None, (options, features))))
            if number not in {errno.EINVAL, errno.EOPNOTSUPP}:
                break
    except OSError as error:
        raise HostError(f"{target}: an overlay over {lower} cannot be made: {error}") from error
    if number:
        raise HostError(f"{target}: an overlay over {lower} cannot be mounted: {os.strerror(number)}")
    return upper


def unmount_overlays(directory: Path) -> None:
    """Unmount the overlays at a directory and below it, also while a process still uses one; raises `HostError`."""
    found = [mounted.place for mounted in mounts_below(Path(os.path.realpath(directory))) if mounted.kind == KIND]
    for place in reversed(found):
        number = _unmount(Path(place), 0)
        if number == errno.EBUSY:
            # A shell, for example. It keeps what it sees, and the mount ends with it.
            number = _unmount(Path(place), _DETACH)
        if number not in {0, errno.EINVAL, errno.ENOENT}:
            raise HostError(f"{place}: cannot be unmounted: {os.strerror(number)}")


def overlay_changes(lower: Path, upper: Path) -> tuple[Change, ...] | None:
    """Return what an upper directory adds, changes and removes, by paths below it, sorted.

    A directory counts as changed when it was written itself (owner, mode), not because something in it was; one whose
    place was taken by another is listed entry by entry. None where a directory of the original was renamed: then only a
    comparison shows the changes. Raises OSError.
    """
    try:
        return in_order(_changes(lower, upper))
    except UnclearError:
        return None


def _changes(lower: Path, upper: Path) -> Iterator[Change]:
    with ExitStack() as stack:
        for pair in walk_upper(hold(stack, upper), (hold(stack, lower),)):
            new, old = pair.new, pair.old.found if pair.old else None
            place = lower / pair.path
            if new is None:
                yield from _removed(place, pair.path)
            elif old is None:
                yield Change("added", pair.path)
            elif stat.S_ISDIR(new.st_mode):
                if not _alike(old, new):
                    yield Change("changed", pair.path)
            else:
                if stat.S_ISDIR(old.st_mode):
                    yield from _removed(place, pair.path, top=False)
                # Whatever is opened for writing is copied up, and may never be written.
                if _written(old, new):
                    yield Change("changed", pair.path)


def _removed(lower: Path, path: str, *, top: bool = True) -> Iterator[Change]:
    if top:
        yield Change("removed", path)
    if lower.is_dir() and not lower.is_symlink():
        with holding(open_directory(lower)) as at:
            yield from (Change("removed", f"{path}/{entry.path}") for entry in walk(at, lower))


def _alike(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)


def _written(old: os.stat_result, new: os.stat_result) -> bool:
    return not _alike(old, new) or (old.st_size, old.st_mtime_ns) != (new.st_size, new.st_mtime_ns)


def _become(lower: Path, upper: Path) -> None:
    # The top of the overlay is the upper directory's, and has to look like the original's.
    with holding(open_directory(lower)) as old, holding(open_directory(upper)) as new:
        give(old, new, os.fstat(old), lost=set())


def _escaped(path: Path) -> str:
    text = str(path)
    for character in ("\\", ":", ","):
        text = text.replace(character, f"\\{character}")
    return text


@cache
def _libc() -> ctypes.CDLL:
    # Python has no mount(2).
    return ctypes.CDLL(None, use_errno=True)


def _mount(target: Path, options: str) -> int:
    data = os.fsencode(options)
    if len(data) >= _PAGE:
        return errno.ENAMETOOLONG
    kind = KIND.encode()
    return ctypes.get_errno() if _libc().mount(kind, os.fsencode(target), kind, 0, data) else 0


def _unmount(place: Path, flags: int) -> int:
    return ctypes.get_errno() if _libc().umount2(os.fsencode(place), flags) else 0

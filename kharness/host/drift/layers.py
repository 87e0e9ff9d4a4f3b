"""Read what a container changed from the upper directory of its overlay, and remove entries of a running container.

The kernel's documentation (filesystems/overlayfs) defines an upper directory: a character device 0:0 hides the name
below, a directory with the attribute `opaque` hides everything below it, other entries replace those of their names
below, and directories merge. The walk holds directories open and follows no link; it skips entries that vanish.

A directory has drifted if its own mode or owner has, not because of its entries. A file that was opened for writing and
not written is copied up, and has not drifted: size and time, and if they are equal the content, show whether it was
written. Only root sees all changes: the kernel hides the overlay's attributes from other users, without an error.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import HostError
from kharness.host.trees import MAX_DEPTH, mount_id, open_directory
from kharness.host.volumes.content import same
from kharness.plan.drift.changes import Drifted, Kind, drifted, mode_text, owner_text, type_of
from kharness.plan.drift.layers import Layers
from kharness.plan.session.untouched import shown

TRUSTED, USER = "trusted.overlay.", "user.overlay."
"""Prefixes of the kernel's own attributes: of root's mounts, and of mounts with `userxattr`."""
_LONGEST = 60
_GONE = (FileNotFoundError, NotADirectoryError)


class UnclearError(HostError):
    """The overlay uses a feature with which the upper directory alone does not show the changes."""


@dataclass(frozen=True, slots=True)
class Old:
    """An entry of a lower layer: the open directory that holds it, and its status."""

    at: int
    found: os.stat_result


@dataclass(frozen=True, slots=True)
class Pair:
    """A name of the upper directory `at`, which is open until the next pair is requested.

    `new` is None for a whiteout, `old` where there is nothing below. At least one is not None.
    """

    path: str
    name: str
    at: int
    new: os.stat_result | None
    old: Old | None


def walk_upper(upper: int, below: Sequence[int], *, prefix: str = TRUSTED) -> Iterator[Pair]:
    """Yield the entries and whiteouts of an open upper directory; `below` are the open lower ones, the topmost first.

    A directory comes before its entries. Raises OSError, `UnclearError` where a directory was renamed or a file's
    content is elsewhere, and `HostError` for a tree that is too deep.
    """
    yield from _walk(upper, tuple(below), "", prefix=prefix, depth=0)


def _walk(at: int, below: tuple[int, ...], path: str, *, prefix: str, depth: int) -> Iterator[Pair]:
    if depth > MAX_DEPTH:
        raise HostError(
            f"{shown(path[:_LONGEST])}...: should not be deeper than {MAX_DEPTH} directories to be looked at"
        )
    there = set[str]()
    with os.scandir(at) as entries:
        for entry in entries:
            with suppress(*_GONE):
                new = entry.stat(follow_symlinks=False)
                there.add(entry.name)
                old = _lookup(entry.name, below)
                here = f"{path}{entry.name}"
                if is_whiteout(new):
                    if old is not None:
                        yield Pair(here, entry.name, at, None, old)
                    continue
                _refuse_elsewhere(entry.name, at, new, prefix)
                yield Pair(here, entry.name, at, new, old)
                if stat.S_ISDIR(new.st_mode):
                    yield from _enter(entry.name, at, below, f"{here}/", prefix=prefix, depth=depth)
    if _is_opaque(at, prefix):
        for name in _merged(below) - there:
            if (old := _lookup(name, below)) is not None:
                yield Pair(f"{path}{name}", name, at, None, old)


def _enter(name: str, at: int, below: tuple[int, ...], path: str, *, prefix: str, depth: int) -> Iterator[Pair]:
    with ExitStack() as stack:
        inner = hold(stack, name, within=at)
        yield from _walk(inner, _inner(name, below, stack, prefix), path, prefix=prefix, depth=depth + 1)


def hold(stack: ExitStack, name: str | Path, *, within: int | None = None) -> int:
    """Open a directory, not through a link, until the stack closes. Raises OSError."""
    found = open_directory(name, within=within)
    stack.callback(os.close, found)
    return found


def is_whiteout(found: os.stat_result) -> bool:
    """Whether the entry only hides the name below."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def attribute(place: int | str, name: str) -> bytes | None:
    """Return an extended attribute of an entry, links not followed; None where it is absent or hidden."""
    with suppress(OSError):
        return os.getxattr(place, name, follow_symlinks=isinstance(place, int))
    return None


def _lookup(name: str, below: Sequence[int]) -> Old | None:
    for at in below:
        with suppress(*_GONE):
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
            return None if is_whiteout(found) else Old(at, found)
    return None


def _inner(name: str, below: Sequence[int], stack: ExitStack, prefix: str) -> tuple[int, ...]:
    """Open the directories of that name in the lower layers, down to the first that hides the others."""
    found: list[int] = []
    for at in below:
        with suppress(FileNotFoundError):
            try:
                inner = hold(stack, name, within=at)
            except OSError:
                # A whiteout, a link or a file hides everything below it.
                os.stat(name, dir_fd=at, follow_symlinks=False)
                break
            found.append(inner)
            if _is_opaque(inner, prefix):
                break
    return tuple(found)


def _merged(below: Sequence[int]) -> set[str]:
    found = set[str]()
    for at in below:
        with os.scandir(at) as entries:
            found.update(entry.name for entry in entries)
    return found


def _is_opaque(directory: int, prefix: str) -> bool:
    value = attribute(directory, f"{prefix}opaque")
    if value == b"x":
        raise UnclearError("a directory of the overlay hides names by attributes of files")
    return value == b"y"


def _refuse_elsewhere(name: str, at: int, new: os.stat_result, prefix: str) -> None:
    if stat.S_ISDIR(new.st_mode):
        what = "redirect"
    elif stat.S_ISREG(new.st_mode) and new.st_size and not new.st_blocks:
        what = "metacopy"
    else:
        return
    # The calls for extended attributes take no directory descriptor.
    if attribute(f"/proc/self/fd/{at}/{name}", f"{prefix}{what}") is not None:
        raise UnclearError(f"{shown(name)}: what it was, or its content, is elsewhere in the overlay ({what})")


_CAPABILITY = "security.capability"
_COMPARED = (_CAPABILITY, "system.posix_acl_", "user.")
"""Prefixes of attributes that grant rights or hold data, xattr(7)."""
_SYS_ADMIN, _DAC = 21, 1
"""Numbers of capabilities(7): to read trusted attributes, and to open any file."""
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def why_blind() -> str:
    """Return why this process cannot read an upper directory completely; empty if it can."""
    if os.geteuid() != 0:
        return "only root sees a layer's directory"
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        mapped = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    except OSError as error:
        return f"/proc: {error.strerror}"
    held = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    if mapped[:2] != ["0", "0"] or not (held >> _SYS_ADMIN & 1 and held >> _DAC & 1):
        return "root here lacks capabilities, or is another user outside"
    return ""


def read_layers(layers: Layers, *, prefix: str = TRUSTED) -> tuple[Drifted, ...]:
    """Return the drift, in no order; `prefix` is that of the overlay's own attributes.

    Raises `HostError` where it cannot be read, and `UnclearError` where the directories alone do not show it.
    """
    try:
        with ExitStack() as stack:
            upper = hold(stack, layers.upper)
            below = [hold(stack, lower) for lower in layers.lower]
            return tuple(_read(upper, below, prefix))
    except OSError as error:
        where = shown(error.filename) if isinstance(error.filename, str) else layers.upper
        raise HostError(f"{where}: cannot be read: {error.strerror}") from error


def _read(upper: int, below: list[int], prefix: str) -> Iterator[Drifted]:
    for pair in walk_upper(upper, below, prefix=prefix):
        path = f"/{pair.path}"
        if pair.new is None:
            if pair.old is not None:
                yield _entry(path, "removed", pair.old.found)
        elif pair.old is None:
            capable = stat.S_ISREG(pair.new.st_mode) and attribute(_place(pair.at, pair.name), _CAPABILITY) is not None
            yield _entry(path, "added", pair.new, capabilities=capable)
        elif (found := _compared(path, pair, pair.new, pair.old, prefix)) is not None:
            yield found


def _compared(path: str, pair: Pair, new: os.stat_result, old: Old, prefix: str) -> Drifted | None:
    was = old.found
    if stat.S_IFMT(new.st_mode) != stat.S_IFMT(was.st_mode):
        return _entry(path, "changed", new, what=[f"{type_of(was.st_mode)} -> {type_of(new.st_mode)}"])
    now, before = _attributes(pair.at, pair.name, prefix), _attributes(old.at, pair.name, prefix)
    unlike = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
    what: list[str] = []
    kind: Kind | None = None
    if new.st_mode != was.st_mode:
        what.append(mode_text(was.st_mode, new.st_mode))
    if unlike:
        what.append(f"attributes {', '.join(map(shown, unlike))}")
    if what:
        kind = "mode"
    owners = (was.st_uid, was.st_gid), (new.st_uid, new.st_gid)
    if owners[0] != owners[1]:
        what.append(owner_text(*owners))
        kind = kind or "owner"
    if not stat.S_ISDIR(new.st_mode) and _is_written(pair, new, old):
        kind = "changed"
    if kind is None:
        return None
    return _entry(path, kind, new, capabilities=_CAPABILITY in now, what=what)


def _is_written(pair: Pair, new: os.stat_result, old: Old) -> bool:
    if (new.st_size, new.st_mtime_ns, new.st_rdev) != (old.found.st_size, old.found.st_mtime_ns, old.found.st_rdev):
        return True
    try:
        if stat.S_ISLNK(new.st_mode):
            return os.readlink(pair.name, dir_fd=pair.at) != os.readlink(pair.name, dir_fd=old.at)
        if not stat.S_ISREG(new.st_mode):
            return False
        with ExitStack() as stack:
            one, other = (_open(stack, pair.name, at) for at in (pair.at, old.at))
            return not same(one, other)
    except OSError:
        # It is being replaced right now.
        return True


def _open(stack: ExitStack, name: str, at: int) -> int:
    found = os.open(name, _READ | os.O_NOATIME, dir_fd=at)
    stack.callback(os.close, found)
    return found


def _attributes(at: int, name: str, prefix: str) -> dict[str, bytes | None]:
    place = _place(at, name)
    try:
        names = os.listxattr(place, follow_symlinks=False)
    except OSError:
        return {}
    meant = (each for each in names if each.startswith(_COMPARED) and not each.startswith(prefix))
    return {each: attribute(place, each) for each in meant}


def _place(at: int, name: str) -> str:
    # The calls for extended attributes take no directory descriptor, and do not follow the last component of a path.
    return f"/proc/self/fd/{at}/{name}"


def _entry(
    path: str, kind: Kind, found: os.stat_result, *, capabilities: bool = False, what: Iterable[str] = ()
) -> Drifted:
    owner = found.st_uid, found.st_gid
    return drifted(
        path, kind, mode=found.st_mode, owner=owner, size=found.st_size, capabilities=capabilities, what=what
    )


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Inside:
    """The root directory of a process that runs in a container; see `inside`."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._mount = mount_id(root)

    def remove(self, path: str, kind: int) -> str:
        """Remove an entry of that type (as of `stat.S_IFMT`), a directory only if it is empty; return why not.

        Each directory of the path is opened without following a link, and must be on the root's own mount: the entries
        of a volume are not the layer's.
        """
        *above, name = [part for part in path.split("/") if part]
        try:
            with self._opened(above) as at:
                if stat.S_IFMT(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode) != kind:
                    return "it has become something else"
                if kind == stat.S_IFDIR:
                    os.rmdir(name, dir_fd=at)
                else:
                    os.unlink(name, dir_fd=at)
        except FileNotFoundError:
            return ""
        except HostError as error:
            return str(error)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    @contextmanager
    def _opened(self, parts: list[str]) -> Iterator[int]:
        at = os.dup(self._root)
        try:
            for part in parts:
                if part == "..":
                    raise HostError("'..' is not followed")
                inner = os.open(part, _DIRECTORY, dir_fd=at)
                os.close(at)
                at = inner
                if mount_id(at) != self._mount:
                    raise HostError("something else is mounted over it")
            yield at
        finally:
            os.close(at)


@contextmanager
def inside(pid: int) -> Iterator[Inside]:
    """Open the root directory of a process; the caller checks that the process is still the container's.

    Raises `HostError` where this user may not enter it.
    """
    try:
        root = os.open(Path(f"/proc/{pid}/root"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"/proc/{pid}/root: cannot be entered: {error.strerror}") from error
    try:
        # A process that has changed its root, chroot(2), does not show the container's.
        if (place := Path(f"/proc/self/fd/{root}").readlink()) != Path("/"):
            raise HostError(f"/proc/{pid}/root: should be the container's own root, not {place}")
        yield Inside(root)
    finally:
        os.close(root)

"""What a container changed, read from the upper directory of its overlay: every entry with its kind and attributes.

A directory has drifted when its own mode or owner has, not because something in it has. A file that was opened for
writing and not written is copied up, and has not drifted; whether it was written is seen from its size and time, and
where these are what they were, from its content. Only root sees all of it: the kernel hides what stands in attributes
from everybody else, without an error.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from kharness.errors import HostError
from kharness.host.content import same
from kharness.host.upperdir import TRUSTED, Old, Pair, attribute, hold, walk_upper
from kharness.plan.drift import Drifted, Kind, drifted, mode_text, owner_text, type_of
from kharness.plan.layers import Layers
from kharness.plan.untouched import shown

_CAPABILITY = "security.capability"
_COMPARED = (_CAPABILITY, "system.posix_acl_", "user.")
"""What the names of attributes begin with that let somebody do something, or are somebody's data, xattr(7)."""
_SYS_ADMIN, _DAC = 21, 1
"""Numbers of capabilities(7): to see trusted attributes, and to open whatever there is."""
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def why_blind() -> str:
    """Return why this process may not see all that an upper directory has; empty where it does."""
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
    """Return what has drifted, in no order; `prefix` is that of the overlay's own attributes.

    Raises `HostError` where it cannot be seen, and `UnclearError` where the directories alone do not tell.
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
        # It is being replaced at this moment.
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
    # The calls for extended attributes know no directories, and their paths do not follow the last component.
    return f"/proc/self/fd/{at}/{name}"


def _entry(
    path: str, kind: Kind, found: os.stat_result, *, capabilities: bool = False, what: Iterable[str] = ()
) -> Drifted:
    owner = found.st_uid, found.st_gid
    return drifted(
        path, kind, mode=found.st_mode, owner=owner, size=found.st_size, capabilities=capabilities, what=what
    )

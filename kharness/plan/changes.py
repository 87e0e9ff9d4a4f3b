"""What was written to a tree between two fingerprints, as a list of paths: what a test asks of a volume."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from kharness.plan.facts import Change
from kharness.plan.untouched import RECORD, Fingerprint, records


def changes_between(before: Fingerprint, after: Fingerprint, *, same_place: bool = True) -> tuple[Change, ...]:
    """Return what was added, changed and removed, sorted by path.

    A directory is changed when its own owner or mode is, not because something in it is. Without `same_place` the two
    are of different places, so that inodes say nothing.
    """
    old, new = records(before), records(after)
    found = [Change("removed", path) for path in old.keys() - new.keys()]
    found += [Change("added", path) for path in new.keys() - old.keys()]
    shared = (path for path in old.keys() & new.keys() if old[path] != new[path])
    found += [Change("changed", path) for path in shared if _differ(old[path], new[path], same_place=same_place)]
    return in_order(found)


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return changes sorted by their paths' bytes."""
    return tuple(sorted(changes, key=lambda change: os.fsencode(change.path)))


def _differ(old: bytes, new: bytes, *, same_place: bool) -> bool:
    mode, inode, device, _, uid, gid, size, mtime = RECORD.unpack(old)
    mode_, inode_, device_, _, uid_, gid_, size_, mtime_ = RECORD.unpack(new)
    if (mode, uid, gid) != (mode_, uid_, gid_):
        return True
    if stat.S_ISDIR(mode):
        return False
    moved = same_place and (inode, device) != (inode_, device_)
    return moved or (size, mtime) != (size_, mtime_)

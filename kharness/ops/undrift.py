"""Remove from a running container what it has and its image has not."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from kharness.errors import ContainerMissingError, UsageError
from kharness.host.inside import Inside, inside
from kharness.ops.harness import Harness
from kharness.plan.drift import Drifted, Scanned

_KINDS = {
    "file": (stat.S_IFREG,),
    "directory": (stat.S_IFDIR,),
    "link": (stat.S_IFLNK,),
    "fifo": (stat.S_IFIFO,),
    "socket": (stat.S_IFSOCK,),
    "device": (stat.S_IFCHR, stat.S_IFBLK),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What became of an entry: `why` it is still there, empty if it is removed."""

    path: str
    why: str = ""


def remove_drift(harness: Harness, found: Scanned) -> tuple[Undone, ...]:
    """Remove what was added and is not expected, what is in a directory before the directory.

    What was changed or removed cannot be restored here, and is said. Raises `UsageError` on an engine elsewhere,
    `HostError` where this user may not look into the container, `ContainerMissingError` where it is not the same one.
    """
    if not harness.engine.facts().local:
        raise UsageError(f"{found.name}: --rm needs the engine's file system, and the engine is not on this host")
    before = harness.engine.container(found.id)
    if before is None or not before.pid or not before.running:
        raise ContainerMissingError(f"{found.name}: the container does not run any more")
    with inside(before.pid) as root:
        now = harness.engine.container(found.id)
        # A process id is used again: what was opened is the container's only if it was still that process afterwards.
        if now is None or (now.pid, now.started_at, now.state) != (before.pid, before.started_at, before.state):
            raise ContainerMissingError(f"{found.name}: the container was started again meanwhile")
        return tuple(_removed(root, found))


def _removed(root: Inside, found: Scanned) -> Iterator[Undone]:
    deepest_first = sorted(found.verdict.left, key=lambda each: os.fsencode(each.path), reverse=True)
    for each in deepest_first:
        yield Undone(path=each.path, why=_remove(root, each))


def _remove(root: Inside, found: Drifted) -> str:
    if found.kind != "added":
        return "what the image had there cannot be restored in place"
    if not found.type:
        return "the engine does not say what it is"
    reasons = [root.remove(found.path, kind) for kind in _KINDS[found.type]]
    return "" if "" in reasons else reasons[0]

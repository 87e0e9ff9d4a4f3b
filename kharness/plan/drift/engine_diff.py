"""Read an engine's own diff: the same entries as the layer's directories have, as far as its answer allows.

An engine reports names as added, changed or removed, and not how an entry changed. It reports a directory as changed
because something in it is. Some storage drivers report a directory that replaced another as removed, and list what is
in it; others compare. So each directory in a diff is looked up, now and in the image.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from typing import Protocol

from kharness.plan.drift.changes import Drifted, Kind, drifted, mode_text, owner_text, type_of
from kharness.plan.facts import Change, PathFacts

_KINDS: dict[str, Kind] = {"added": "added", "changed": "changed", "removed": "removed"}


class Files(Protocol):
    """The files of a container, or of its image."""

    def at(self, path: str) -> PathFacts | None:
        """Return the entry at a path, None where there is none."""

    def owner(self, path: str) -> tuple[int, int] | None:
        """Return its owner and group, None where they are unknown."""

    def names(self, path: str) -> Iterable[str]:
        """Return the names in a directory."""


def drifted_of(changes: Iterable[Change], *, now: Files, before: Files, most: int) -> Iterator[Drifted]:
    """Yield the drift, each path once; only the first `most` added paths are looked up."""
    seen = {"/"}
    looked = 0
    for change in changes:
        if change.path in seen:
            continue
        seen.add(change.path)
        kind = _KINDS.get(change.kind, "changed")
        if kind == "added":
            looked += 1
        found = now.at(change.path) if kind != "added" or looked <= most else None
        if found is None:
            yield Drifted(path=change.path, kind=kind)
        elif kind != "added" and stat.S_ISDIR(found.mode):
            yield from _directory(change.path, found, now, before)
            if kind == "removed":
                yield from _replaced(change.path, now, before, seen)
        else:
            # A removed path that exists was made again.
            yield _entry(change.path, "changed" if kind == "removed" else kind, found)


def _directory(path: str, found: PathFacts, now: Files, before: Files) -> Iterator[Drifted]:
    was = before.at(path)
    if was is None:
        yield _entry(path, "added", found)
    elif type_of(was.mode) != "directory":
        yield _entry(path, "changed", found, what=f"{type_of(was.mode)} -> directory")
    elif was.mode != found.mode:
        yield _entry(path, "mode", found, what=mode_text(was.mode, found.mode))
    else:
        owner, owned = now.owner(path), before.owner(path)
        if owner is None or owned is None:
            yield _entry(path, "changed", found, what="its owner is unknown")
        elif owner != owned:
            yield _entry(path, "owner", found, what=owner_text(owned, owner))


def _replaced(path: str, now: Files, before: Files, seen: set[str]) -> Iterator[Drifted]:
    was = before.at(path)
    if was is None or not stat.S_ISDIR(was.mode):
        return
    for name in before.names(path):
        inner = f"{path}/{name}"
        if inner not in seen and now.at(inner) is None:
            seen.add(inner)
            yield Drifted(path=inner, kind="removed")


def _entry(path: str, kind: Kind, found: PathFacts, *, what: str = "") -> Drifted:
    return drifted(path, kind, mode=found.mode, owner=None, size=found.size, what=[what] if what else ())

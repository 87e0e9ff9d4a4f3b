"""What an engine's own diff means: the same entries as the layer's directories have, where its answer allows that.

An engine says added, changed and removed, of names, and does not say what of an entry changed. It counts a directory as
changed because something in it is. Storage drivers that read the layer themselves say of a directory that took
another's place that it was removed, and list what is in it; others compare. So whatever it says of directories is
looked up, now and in the image.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from typing import Protocol

from kharness.plan.drift import Drifted, Kind, drifted, type_of
from kharness.plan.facts import Change, PathFacts

_KINDS: dict[str, Kind] = {"added": "added", "changed": "changed", "removed": "removed"}


class Place(Protocol):
    """The files of a container, or those that it began with."""

    def at(self, path: str) -> PathFacts | None:
        """Return what is at a path, None where nothing is."""

    def owner(self, path: str) -> tuple[int, int] | None:
        """Return its owner and group, None where nobody can tell."""

    def names(self, path: str) -> Iterable[str]:
        """Return the names in a directory."""


def drifted_of(changes: Iterable[Change], *, now: Place, before: Place, most: int) -> Iterator[Drifted]:
    """Yield what has drifted, each path once; of what was added, only the first `most` are looked up."""
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
            # What is there again was not removed for long.
            yield _entry(change.path, "changed" if kind == "removed" else kind, found)


def _directory(path: str, found: PathFacts, now: Place, before: Place) -> Iterator[Drifted]:
    was = before.at(path)
    if was is None:
        yield _entry(path, "added", found)
    elif type_of(was.mode) != "directory":
        yield _entry(path, "changed", found, what=f"{type_of(was.mode)} -> directory")
    elif was.mode != found.mode:
        what = f"mode {stat.S_IMODE(was.mode):o} -> {stat.S_IMODE(found.mode):o}"
        yield _entry(path, "mode", found, what=what)
    else:
        owner, owned = now.owner(path), before.owner(path)
        if owner is None or owned is None:
            yield _entry(path, "changed", found, what="its owner cannot be told")
        elif owner != owned:
            what = f"owner {owned[0]}:{owned[1]} -> {owner[0]}:{owner[1]}"
            yield _entry(path, "owner", found, what=what)


def _replaced(path: str, now: Place, before: Place, seen: set[str]) -> Iterator[Drifted]:
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

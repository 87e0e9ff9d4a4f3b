"""What a container changed of its image's files, by its layer's directories or an engine's diff, the worst first.

An engine reports names as added, changed or removed, and not how an entry changed. It reports a directory as changed
because something in it is. Some storage drivers report a directory that replaced another as removed, and list what is
in it; others compare. So each directory in a diff is looked up, now and in the image.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, Protocol

from kharness.plan.facts import Change, PathFacts
from kharness.plan.session.untouched import shown
from kharness.plan.text import size_text
from kharness.plan.trees import matches
from kharness.settings.policy import Expected, FileType

Kind = Literal["added", "changed", "removed", "mode", "owner"]
"""`changed` means another type or content; `mode` and `owner` mean that the content is unchanged."""

FLAGS = ("set-uid", "set-gid", "capabilities", "device", "executable", "hidden")
"""Marks of suspicious entries, the worst first."""
_TYPES: dict[int, FileType] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "device",
    stat.S_IFCHR: "device",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A path of the container that differs from the image.

    Bytes of the path that are not UTF-8 are surrogates, as in Python's file system encoding. The other fields describe
    the entry now, or before its removal; None and "" are unknown, because only the engine's diff was read. `mode` has
    the permission bits, `size` is that of regular files. `what` says how it changed, `mode 755 -> 4755`.
    """

    path: str
    kind: Kind
    type: FileType | Literal[""] = ""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    capabilities: bool = False
    what: str = ""

    def __str__(self) -> str:
        return f"{shown(self.path)}: {', '.join(_described(self))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftVerdict:
    """Unexpected changes (`left`) and `expected` changes, both the worst first, and notes about expectations."""

    left: tuple[Drifted, ...] = ()
    expected: tuple[Drifted, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """The result of scanning a container; `by` is the reader that saw its changes, `layer` or `engine`.

    `problem` says why the result is missing or incomplete. `volumes` are writable mounts, which are not in the layer.
    """

    name: str
    container: str
    id: str
    by: str = ""
    verdict: DriftVerdict = field(default_factory=DriftVerdict)
    problem: str = ""
    volumes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it was scanned, without unexpected changes."""
        return not self.problem and not self.verdict.left


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A step of the response to drift in a container; not `good` if it failed."""

    name: str
    text: str
    good: bool = True


def drifted(
    path: str,
    kind: Kind,
    *,
    mode: int,
    owner: tuple[int, int] | None,
    size: int,
    capabilities: bool = False,
    what: Iterable[str] = (),
) -> Drifted:
    """Return an entry; `mode` is st_mode, with the type in it, `owner` uid and gid, None where unknown."""
    uid, gid = owner or (None, None)
    return Drifted(
        path=path,
        kind=kind,
        type=type_of(mode),
        mode=stat.S_IMODE(mode),
        uid=uid,
        gid=gid,
        size=size if stat.S_ISREG(mode) else None,
        capabilities=capabilities,
        what=", ".join(what),
    )


def mode_text(before: int, now: int) -> str:
    """Describe a change of permissions; both as in st_mode."""
    return f"mode {stat.S_IMODE(before):o} -> {stat.S_IMODE(now):o}"


def owner_text(before: tuple[int, int], now: tuple[int, int]) -> str:
    """Describe a change of uid and gid."""
    return f"owner {before[0]}:{before[1]} -> {now[0]}:{now[1]}"


def judge(found: Iterable[Drifted], expected: Sequence[Expected], *, today: date) -> DriftVerdict:
    """Separate expected from unexpected changes, by the expectations that are valid today.

    An entry of unknown size does not match an expectation with a size limit.
    """
    valid = [each for each in expected if not _is_over(each, today)]
    left: list[Drifted] = []
    covered: list[Drifted] = []
    for each in found:
        (covered if any(covers(one, each) for one in valid) else left).append(each)
    notes = tuple(_expired(expected, left, today))
    return DriftVerdict(left=in_order(left), expected=in_order(covered), notes=notes)


def covers(expected: Expected, found: Drifted) -> bool:
    """Whether an expectation covers an entry, apart from its last day."""
    if not matches(expected.path, found.path):
        return False
    if expected.type is not None and found.type != expected.type:
        return False
    limit = expected.max_size
    return limit is None or found.type not in {"file", ""} or (found.size is not None and found.size <= limit)


def in_order(found: Iterable[Drifted]) -> tuple[Drifted, ...]:
    """Return entries, the worst first, then by the bytes of their paths."""
    return tuple(sorted(found, key=lambda each: (_rank(each), os.fsencode(each.path))))


def flags(found: Drifted) -> tuple[str, ...]:
    """Return the marks of an entry, out of `FLAGS`; none of a removed entry."""
    return tuple(_flags(found)) if found.kind != "removed" else ()


def type_of(mode: int) -> FileType | Literal[""]:
    """Return the type in st_mode, empty for an unknown type."""
    return _TYPES.get(stat.S_IFMT(mode), "")


def _flags(found: Drifted) -> Iterator[str]:
    mode = found.mode or 0
    if found.type == "file":
        if mode & stat.S_ISUID:
            yield "set-uid"
        if mode & stat.S_ISGID:
            yield "set-gid"
        if found.capabilities:
            yield "capabilities"
    if found.type == "device":
        yield "device"
    if found.type == "file" and mode & 0o111:
        yield "executable"
    if "/." in found.path:
        yield "hidden"


def _rank(found: Drifted) -> int:
    return min((FLAGS.index(flag) for flag in flags(found)), default=len(FLAGS))


def _described(found: Drifted) -> Iterator[str]:
    yield found.kind if found.kind in {"added", "changed", "removed"} else f"{found.kind} changed"
    yield from flags(found)
    if found.type:
        yield found.type
    if found.what:
        yield found.what
    if found.kind in {"added", "changed"}:
        if found.mode is not None:
            yield f"mode {found.mode:o}"
        if found.uid is not None:
            yield f"owner {found.uid}:{found.gid}"
        if found.type == "file" and found.size is not None:
            yield size_text(found.size)


def _is_over(expected: Expected, today: date) -> bool:
    return expected.until is not None and expected.until < today


def _expired(expected: Sequence[Expected], left: Sequence[Drifted], today: date) -> Iterator[str]:
    for index, each in enumerate(expected):
        if _is_over(each, today):
            count = sum(covers(each, one) for one in left)
            why = f" ({each.reason})" if each.reason else ""
            met = f"{count} of what is left" if count else "nothing that is there now"
            yield f"drift.expect[{index}]: {each.path} was expected until {each.until}{why}, and would cover {met}"


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

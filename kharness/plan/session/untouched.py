"""Whether a directory tree is as it was, which changes a container explains, and what follows for the session."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from struct import Struct


@dataclass(frozen=True, slots=True)
class ProofFinding:
    """A text; `of` are the container directories that fail for it, none where it is only said."""

    text: str
    of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """By container directory the reasons to fail it, and what is only said.

    `directories` with so many `entries` are what they were; looking twice took so many `seconds`.
    """

    failures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    directories: int = 0
    entries: int = 0
    seconds: float = 0.0


def proof_of(found: Sequence[ProofFinding], *, untouched: Sequence[int], seconds: float) -> Proof:
    """Put a proof together; `untouched` are the numbers of entries of the directories that nothing was found about."""
    names = sorted({name for each in found for name in each.of})
    return Proof(
        failures={name: tuple(each.text for each in found if name in each.of) for name in names},
        notes=tuple(dict.fromkeys(each.text for each in found if not each.of)),
        directories=len(untouched),
        entries=sum(untouched),
        seconds=seconds,
    )


RECORD = Struct("=IQQQIIQq")
"""An entry: mode, inode, device, links, uid, gid, size, mtime (ns); the order of `os.stat_result`, atime and ctime left
out. Packed, because a tree may have a million of them.
"""
TOP = "."
"""The path of the top itself."""
SHOWN = 5
"""How many paths a text lists."""
_NANO = 10**9
_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "block device",
    stat.S_IFCHR: "character device",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """A tree at one moment; all paths are below its top.

    `top` is the top's own record, empty where there is nothing. `listings` has, for each directory (the top's path is
    empty), the names in it, joined by slashes, and their records in the same order. `digests` stand for the contents of
    files and links, where they were asked for. `unread` says of paths why they, or what is below them, are unknown.
    """

    top: bytes = b""
    listings: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    digests: Mapping[str, bytes] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """How many entries were looked at, the top among them."""
        return (len(self.top) + sum(len(records) for _, records in self.listings.values())) // RECORD.size


@dataclass(frozen=True, slots=True, order=True)
class PathChange:
    """A path that is not what it was: `kind` is added, removed or changed, `what` says how, `size 3 -> 5, content`."""

    path: str
    kind: str
    what: str = ""

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.what or self.kind}"


def differences(before: Fingerprint, after: Fingerprint) -> tuple[PathChange, ...]:
    """Return what differs, sorted by path; what could not be read at both moments is left out."""
    unread = {*before.unread, *after.unread}
    found = [*_entries(before, after), *_contents(before, after)]
    if unread:
        found = [each for each in found if not any(_unknown(each, path) for path in unread)]
    # An entry whose attributes and content differ is one difference.
    merged: dict[str, PathChange] = {}
    for each in found:
        other = merged.get(each.path)
        merged[each.path] = PathChange(each.path, each.kind, f"{other.what}, {each.what}") if other else each
    return tuple(sorted(merged.values()))


def records(found: Fingerprint) -> dict[str, bytes]:
    """Return the record of every entry by its path, the top left out."""
    return {path: record for at, listing in found.listings.items() for path, record in _records(at, *listing).items()}


def reach(source: str, top: str) -> str | None:
    """Return below which path of the tree `top` a container may write that has `source` mounted.

    The empty path is all of it, None nothing. Both are absolute and resolved.
    """
    if PurePosixPath(top).is_relative_to(source):
        return ""
    if PurePosixPath(source).is_relative_to(top):
        return str(PurePosixPath(source).relative_to(top))
    return None


def explained(found: Iterable[PathChange], reaches: Iterable[str]) -> tuple[PathChange, ...]:
    """Return the changes that containers with these reaches may have made."""
    places = tuple(reaches)
    return tuple(each for each in found if any(is_within(each.path, place) for place in places))


def is_within(path: str, place: str) -> bool:
    """Whether a path of a tree is another one, or below it; everything is within the empty path."""
    return not place or path == place or path.startswith(f"{place}/")


def told(place: str, found: Sequence[PathChange]) -> str:
    """Return lines that name the place, and the first few paths in it."""
    lines = [f"{shown(place)}: {paths(len(found))} {'differs' if len(found) == 1 else 'differ'}"]
    lines += [str(each) for each in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"and {len(found) - SHOWN:,} more")
    return "\n".join(lines)


def paths(count: int) -> str:
    """Return a number of paths as people read it."""
    return f"{count:,} path{'' if count == 1 else 's'}"


def shown(path: str) -> str:
    """Return a path as one line that every terminal takes; what cannot be printed is escaped."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _entries(before: Fingerprint, after: Fingerprint) -> Iterator[PathChange]:
    if before.top != after.top:
        yield from _compared({TOP: before.top} if before.top else {}, {TOP: after.top} if after.top else {})
    for path in before.listings.keys() | after.listings.keys():
        old, new = before.listings.get(path, ("", b"")), after.listings.get(path, ("", b""))
        if old != new:
            yield from _compared(_records(path, *old), _records(path, *new))


def _records(path: str, names: str, records: bytes) -> dict[str, bytes]:
    prefix = f"{path}/" if path else ""
    found = names.split("/") if names else []
    size = RECORD.size
    return {f"{prefix}{name}": records[at * size : (at + 1) * size] for at, name in enumerate(found)}


def _compared(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[PathChange]:
    for path in old.keys() | new.keys():
        if path not in new:
            yield PathChange(path, "removed")
        elif path not in old:
            yield PathChange(path, "added")
        elif old[path] != new[path] and (what := ", ".join(_attributes(old[path], new[path]))):
            yield PathChange(path, "changed", what)


def _attributes(old: bytes, new: bytes) -> Iterator[str]:
    mode, inode, device, links, uid, gid, size, mtime = RECORD.unpack(old)
    mode_, inode_, device_, links_, uid_, gid_, size_, mtime_ = RECORD.unpack(new)
    # How large a directory is, and how many names it has, is the file system's own business.
    plain = not (stat.S_ISDIR(mode) or stat.S_ISDIR(mode_))
    if stat.S_IFMT(mode) != stat.S_IFMT(mode_):
        yield f"{_type(mode)} -> {_type(mode_)}"
    if stat.S_IMODE(mode) != stat.S_IMODE(mode_):
        yield f"mode {stat.S_IMODE(mode):o} -> {stat.S_IMODE(mode_):o}"
    if (uid, gid) != (uid_, gid_):
        yield f"owner {uid}:{gid} -> {uid_}:{gid_}"
    if size != size_ and plain:
        yield f"size {size} -> {size_}"
    if mtime != mtime_:
        yield f"mtime {_time(mtime)} -> {_time(mtime_)}"
    if links != links_ and plain:
        yield f"links {links} -> {links_}"
    if inode != inode_:
        yield f"inode {inode} -> {inode_}"
    if device != device_:
        yield f"device {device} -> {device_}"


def _contents(before: Fingerprint, after: Fingerprint) -> Iterator[PathChange]:
    for path, digest in before.digests.items():
        if after.digests.get(path, digest) != digest:
            yield PathChange(path, "changed", "content")


def _unknown(found: PathChange, unread: str) -> bool:
    # A directory that cannot be read has attributes of its own all the same.
    own = found.path == (unread or TOP)
    return found.kind != "changed" if own else is_within(found.path, unread)


def _type(mode: int) -> str:
    return _TYPES.get(stat.S_IFMT(mode), f"type {stat.S_IFMT(mode):o}")


def _time(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, _NANO)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"

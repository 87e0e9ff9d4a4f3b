"""Id mappings, user_namespaces(7): which host id an id in a container is, and which becomes which in a new mapping.

A move from one mapping to another concerns owners, ACLs and file capabilities.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from kharness.errors import UsageError

ALL = 2**32 - 1
"""How many ids there are; the last number, (uid_t) -1, is no id."""


@dataclass(frozen=True, slots=True)
class IdRange:
    """`length` ids from `inside` on, which are those from `outside` on for the host."""

    inside: int
    outside: int
    length: int

    def __str__(self) -> str:
        return f"{_span(self.inside, self.length)} in containers {'is' if self.length == 1 else 'are'} {self.host_ids}"

    @property
    def host_ids(self) -> str:
        """The host's ids as people write them: `231072-296607`."""
        return _span(self.outside, self.length)


@dataclass(frozen=True, slots=True)
class IdMap:
    """A mapping of user ids, or of group ids: `what` is `uid` or `gid`, for messages."""

    ranges: tuple[IdRange, ...]
    what: str = "uid"

    @property
    def identity(self) -> bool:
        """Whether an id is the same inside and outside."""
        return all(each.inside == each.outside for each in self.ranges)

    @property
    def length(self) -> int:
        """How many ids a container has."""
        return sum(each.length for each in self.ranges)

    def to_host(self, number: int) -> int:
        """Return the host's id of one in a container; `UsageError` when it has none."""
        for each in self.ranges:
            if each.inside <= number < each.inside + each.length:
                return number - each.inside + each.outside
        raise UsageError(f"{self.what} {number}: should be one that the engine maps: {self}")

    def to_container(self, number: int) -> int:
        """Return the id that containers see for one of the host; `UsageError` when it is unmapped (65534 for them)."""
        found = self.seen(number)
        if found is None:
            raise UsageError(f"{self.what} {number} of the host: should be one that containers know: {self}")
        return found

    def seen(self, number: int) -> int | None:
        """Return the id that containers see for one of the host, None where it is unmapped."""
        for each in self.ranges:
            if each.outside <= number < each.outside + each.length:
                return number - each.outside + each.inside
        return None

    def __str__(self) -> str:
        return ", ".join(map(str, self.ranges)) or "it maps none"


@dataclass(frozen=True, slots=True)
class IdMaps:
    """The mappings of an engine."""

    uid: IdMap
    gid: IdMap

    @property
    def identity(self) -> bool:
        """Whether every id in a container is the same on the host."""
        return self.uid.identity and self.gid.identity

    @property
    def root(self) -> tuple[int, int]:
        """The host's uid and gid of root in containers."""
        return self.to_host((0, 0))

    def to_host(self, owner: tuple[int, int]) -> tuple[int, int]:
        """Return the host's uid and gid of an owner in a container; raises `UsageError`."""
        return self.uid.to_host(owner[0]), self.gid.to_host(owner[1])


def shifted_map(base: int, length: int, *, what: str = "uid") -> IdMap:
    """Return the mapping of `userns-remap`: all ids of a container, moved by one number."""
    return IdMap((IdRange(0, base, length),), what)


IDENTITY = IdMaps(shifted_map(0, ALL), shifted_map(0, ALL, what="gid"))
"""The mapping of an engine that maps nothing."""


def parse_id_map(text: str, *, what: str = "uid") -> IdMap:
    """Read /proc/PID/uid_map or gid_map: lines of inside, outside and length; ValueError for anything else."""
    return IdMap(tuple(IdRange(*map(int, line.split())) for line in text.splitlines() if line.strip()), what)


def subordinate_length(text: str, base: int) -> int | None:
    """Return the length of the range in /etc/subuid or /etc/subgid that begins at `base`, subuid(5); None without."""
    for line in text.splitlines():
        fields = line.split(":")
        if fields[1:2] == [str(base)] and fields[2:] and fields[2].strip().isdigit():
            return int(fields[2])
    return None


def rootless_map(text: str, *, who: frozenset[str], own: int, what: str) -> IdMap:
    """Return the mapping of a user who is root in containers, by /etc/subuid or /etc/subgid.

    `who` are the user's name and uid, by either of which a range may be given; `own` is the user's own id. This is how
    newuidmap(1) is called by engines that run without root: the own id first, then all ranges, one after the other.
    """
    ranges = [IdRange(0, own, 1)]
    for line in text.splitlines():
        fields = line.strip().split(":")
        if fields[0] in who and len(fields) == 3 and fields[1].isdecimal() and fields[2].isdecimal():  # noqa: PLR2004 - subuid(5)
            inside = ranges[-1].inside + ranges[-1].length
            ranges.append(IdRange(inside, int(fields[1]), int(fields[2])))
    return IdMap(tuple(ranges), what)


def remapped_base(root_dir: str) -> tuple[int, int] | None:
    """Return uid and gid of mapped root from the data root, which `userns-remap` calls `.../UID.GID`; None else."""
    uid, dot, gid = root_dir.rstrip("/").rpartition("/")[2].partition(".")
    return (int(uid), int(gid)) if dot and uid.isdecimal() and gid.isdecimal() else None


def remapped(root_dir: str, *, lengths: Callable[[str, int], int | None]) -> IdMaps | None:
    """Return the maps of an engine with `userns-remap`; None where its data root does not have them.

    `lengths(what, base)` knows how long a range is; 65536 is what dockerd itself takes for a user it makes.
    """
    base = remapped_base(root_dir)
    if base is None:
        return None
    uid, gid = (
        shifted_map(first, lengths(what, first) or 65536, what=what)
        for what, first in zip(("uid", "gid"), base, strict=True)
    )
    return IdMaps(uid, gid)


def overlap(one: Iterable[IdRange], other: Iterable[IdRange]) -> bool:
    """Whether two mappings share ids of the host."""
    others = tuple(other)
    return any(a.outside < b.outside + b.length and b.outside < a.outside + a.length for a in one for b in others)


def _span(first: int, length: int) -> str:
    return str(first) if length == 1 else f"{first}-{first + length - 1}"


NONE = "none"
USUAL_LENGTH = 65536
_BASE = re.compile(r"(\d{1,10})(?::(\d{1,10}))?", re.ASCII)
# posix_acl_xattr.h: a version, then tag, permissions and id; tags 2 and 8 are a named user and a named group.
_ACL_HEAD, _ACL_ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_ACL_USER, _ACL_GROUP = 2, 8
# linux/capability.h: revision 3 ends with the uid of root in the user namespace that it is for.
_CAPABILITY = struct.Struct("<5I")
_REVISION, _REVISION_3 = 0xFF000000, 0x03000000


class IdPlace(StrEnum):
    """Where an id is: in the old mapping alone, in the new one, or in neither."""

    OLD = "old"
    NEW = "new"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class IdShift:
    """From an old mapping to a new one; they share no ids of the host, so that no id can be moved twice."""

    old: IdMap
    new: IdMap

    def place(self, number: int) -> IdPlace:
        """Return which mapping an id of the host is in."""
        if self.new.seen(number) is not None:
            return IdPlace.NEW
        inside = self.old.seen(number)
        return IdPlace.FOREIGN if inside is None or inside >= self.new.length else IdPlace.OLD

    def __call__(self, number: int) -> int:
        """Return what an id of the host becomes; one that is not in the old mapping stays."""
        return self.new.to_host(self.old.to_container(number)) if self.place(number) is IdPlace.OLD else number

    def __str__(self) -> str:
        before, after = (", ".join(each.host_ids for each in ids.ranges) for ids in (self.old, self.new))
        return f"{self.old.what}s {before} -> {after}"


@dataclass(frozen=True, slots=True)
class Shift:
    """Both shifts."""

    uid: IdShift
    gid: IdShift

    def owner(self, uid: int, gid: int) -> tuple[int, int]:
        """Return what an owner becomes."""
        return self.uid(uid), self.gid(gid)

    def acl(self, value: bytes) -> bytes:
        """Return the extended attribute of an access list with its users and groups moved."""
        body = value[_ACL_HEAD.size :]
        if len(body) % _ACL_ENTRY.size:
            return value
        entries = (_ACL_ENTRY.pack(*self._entry(*entry)) for entry in _ACL_ENTRY.iter_unpack(body))
        return value[: _ACL_HEAD.size] + b"".join(entries)

    def capability(self, value: bytes) -> bytes:
        """Return file capabilities with the root that they are for moved, capabilities(7); others stay as they are."""
        root = len(value) - _CAPABILITY.size
        if root != struct.calcsize("<I") or int.from_bytes(value[:4], "little") & _REVISION != _REVISION_3:
            return value
        number = int.from_bytes(value[-4:], "little")
        return value[:-4] + self.uid(number).to_bytes(4, "little")

    def _entry(self, tag: int, permissions: int, number: int) -> tuple[int, int, int]:
        moved = {_ACL_USER: self.uid, _ACL_GROUP: self.gid}.get(tag)
        return tag, permissions, moved(number) if moved else number


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifted:
    """How much was moved, or would be: `done` was there already; `foreign` is in neither mapping.

    `kept` have set-id bits or capabilities, which stay. `left` are mount points, which are not entered; `example` is
    the first foreign path.
    """

    moved: int = 0
    done: int = 0
    foreign: int = 0
    kept: int = 0
    example: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A volume's source, as the settings have it, and what became of its contents; or `why` it was left alone."""

    said: str
    shift: Shift
    found: Shifted | None = None
    why: str = ""

    @property
    def good(self) -> bool:
        """Whether all of it belongs to the new mapping."""
        return self.found is None or not (self.found.foreign or self.found.left)


def plan_shift(said: str, maps: IdMaps) -> Shift:
    """Return the shift from `none`, `BASE` or `UID:GID` to what the engine maps now; raises `UsageError`."""
    match = _BASE.fullmatch(said)
    if said != NONE and match is None:
        raise UsageError(f"--shift-from: should be none, or the first host id of the old mapping, not '{said}'")
    bases = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
    if maps.identity and match is None:
        raise UsageError("--shift-from none: should be another mapping than now: the engine maps no ids")
    uid, gid = (_shift(base, ids, what) for base, ids, what in zip(bases, (maps.uid, maps.gid), _WHATS, strict=True))
    return Shift(uid, gid)


_WHATS: tuple[Literal["uid", "gid"], ...] = ("uid", "gid")


def _shift(base: int, ids: IdMap, what: str) -> IdShift:
    new = shifted_map(0, USUAL_LENGTH, what=what) if ids.identity else ids
    old = shifted_map(base, new.length, what=what)
    if overlap(old.ranges, new.ranges):
        before, after = (", ".join(each.host_ids for each in found.ranges) for found in (old, new))
        raise UsageError(
            f"--shift-from: the old {what}s {before} and the new ones {after} should have none in common: whether an "
            "id was moved already could not be told"
        )
    return IdShift(old, new)

"""Move owners from one id mapping to another: which id becomes which, in owners, ACLs and file capabilities."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from kharness.errors import UsageError
from kharness.plan.idmap import IdMap, IdMaps, overlap, shifted_map

NONE = "none"
USUAL_LENGTH = 65536
_BASE = re.compile(r"(\d{1,10})(?::(\d{1,10}))?", re.ASCII)
# posix_acl_xattr.h: a version, then tag, permissions and id; tags 2 and 8 are a named user and a named group.
_ACL_HEAD, _ACL_ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_ACL_USER, _ACL_GROUP = 2, 8
# linux/capability.h: revision 3 ends with the uid of root in the user namespace that it is for.
_CAPABILITY = struct.Struct("<5I")
_REVISION, _REVISION_3 = 0xFF000000, 0x03000000


class Place(StrEnum):
    """Where an id is: in the old mapping alone, in the new one, or in neither."""

    OLD = "old"
    NEW = "new"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class IdShift:
    """From an old mapping to a new one; they share no ids of the host, so that no id can be moved twice."""

    old: IdMap
    new: IdMap

    def place(self, number: int) -> Place:
        """Say where an id of the host is."""
        if self.new.seen(number) is not None:
            return Place.NEW
        inside = self.old.seen(number)
        return Place.FOREIGN if inside is None or inside >= self.new.length else Place.OLD

    def __call__(self, number: int) -> int:
        """Return what an id of the host becomes; one that is not in the old mapping stays."""
        return self.new.to_host(self.old.to_container(number)) if self.place(number) is Place.OLD else number

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
    """How much was moved, or would be: `done` was there already; `foreign` is nobody's in either mapping.

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
    """A volume's source, as the settings say it, and what became of its contents; `why` it was not looked at."""

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

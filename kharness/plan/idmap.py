"""What user and group ids in containers are on the host, user_namespaces(7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kharness.errors import UsageError

ALL = 2**32 - 1
"""How many ids there are; the last number, (uid_t) -1, is none."""


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
        """Return the id that containers see for one of the host; `UsageError` when they see nobody's (65534)."""
        found = self.seen(number)
        if found is None:
            raise UsageError(f"{self.what} {number} of the host: should be one that containers know: {self}")
        return found

    def seen(self, number: int) -> int | None:
        """Return the id that containers see for one of the host, None where it is nobody's for them."""
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
        """Whether root in a container is root on the host, and everybody else is who they are."""
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
    """Return the mapping of a user who has root's place in containers, by /etc/subuid or /etc/subgid.

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
    """Return the maps of an engine with `userns-remap`; None where its data root does not tell.

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

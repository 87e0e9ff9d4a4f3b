"""How a copy of a volume is made: which containers mount it, whether they are stopped, whether a disk has room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from kharness.errors import UsageError
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.text import size_text
from kharness.settings.volumes import CopyStrategy, Freeze

PER_ENTRY = {CopyStrategy.REFLINK: 80e-6, CopyStrategy.REAL: 100e-6}
PER_BYTE = {CopyStrategy.REFLINK: 0.0, CopyStrategy.REAL: 1 / 400e6}
"""Seconds that a copy takes, of a slow disk rather than of a fast one: an estimate that is too long only means that
production is not made to stand still.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCase:
    """What is known before a volume is copied: `reflink` and `overlay` are why not, empty where it can be done.

    `users` are the names of running containers that mount the original, `kept` says that the instance may stay after
    its session.
    """

    target: str
    asked: CopyStrategy = CopyStrategy.AUTO
    reflink: str = ""
    overlay: str = ""
    users: tuple[str, ...] = ()
    kept: bool = False


def choose_strategy(case: CopyCase) -> CopyStrategy:
    """Return the cheapest way that is safe, or the one that was asked for; `UsageError` where that is impossible."""
    no_overlay = case.overlay or _unsafe(case)
    if case.asked is CopyStrategy.REFLINK and case.reflink:
        raise UsageError(f"volumes: {case.target}: test.strategy: 'reflink' is not possible: {case.reflink}")
    if case.asked is CopyStrategy.OVERLAY and no_overlay:
        raise UsageError(f"volumes: {case.target}: test.strategy: 'overlay' is not possible: {no_overlay}")
    if case.asked is not CopyStrategy.AUTO:
        return case.asked
    if not case.reflink:
        return CopyStrategy.REFLINK
    return CopyStrategy.REAL if no_overlay else CopyStrategy.OVERLAY


def _unsafe(case: CopyCase) -> str:
    # Writes to the lower directory of an overlay make what is seen in it undefined.
    if case.users:
        return f"{', '.join(case.users)} runs and mounts the original, which must not change under an overlay"
    return "an instance that is kept outlives what is known of the original" if case.kept else ""


def estimate(strategy: CopyStrategy, *, entries: int, size: int) -> float:
    """Return about how many seconds a copy of so many entries and bytes takes."""
    if strategy not in PER_ENTRY:
        return 0.0
    return entries * PER_ENTRY[strategy] + size * PER_BYTE[strategy]


def choose_freeze(how: Freeze, *, seconds: float, limit: float) -> tuple[Freeze, str]:
    """Return whether production stands still for a copy that takes so long, and what is reported about it."""
    if how is Freeze.NONE:
        return Freeze.NONE, "production went on meanwhile (test.freeze: none)"
    if seconds > limit:
        why = f"because the copy may take {seconds:.1f} s and test.max_freeze is {limit:g} s"
        return Freeze.NONE, f"production went on meanwhile, {why}"
    return how, ""


def mounters(containers: Iterable[ContainerFacts], path: str, *, writable: bool = False) -> tuple[ContainerFacts, ...]:
    """Return those that mount the directory, one above or one below it; with `writable` only writable mounts count.

    Test instances are left out: what they may write is their own.
    """
    return tuple(
        found
        for found in containers
        if found.labels.get(labels.ROLE) != labels.ROLE_TEST
        and any(meets(mount.source, path) and (mount.writable or not writable) for mount in found.mounts)
    )


def meets(one: str, other: str) -> bool:
    """Whether one path is, contains or is contained in the other."""
    if not one or not other:
        return False
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)


GIGABYTE = 1_000_000_000
SHARE = 0.05
"""Of a disk, and of its inodes: less than that is too little ..."""
LEAST, ENOUGH = 1 * GIGABYTE, 10 * GIGABYTE
"""... but never less than the first, which an image and its build take, and never more than the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a file system has, and has left: bytes and inodes. Some have no limit of inodes, and report 0."""

    size: int
    free: int
    inodes: int
    inodes_free: int

    def __str__(self) -> str:
        inodes = f", {self.inodes_free:,} of {self.inodes:,} inodes" if self.inodes else ""
        return f"{size_text(self.free)} of {size_text(self.size)}{inodes} free"


def why_too_little(room: Room) -> tuple[str, ...]:
    """Return why there is too little of it; empty means that there is enough."""
    return tuple(_why(room))


def _why(room: Room) -> Iterator[str]:
    least = max(LEAST, min(SHARE * room.size, ENOUGH))
    if room.free < least:
        yield f"should be {size_text(least)} at the least"
    if room.inodes and room.inodes_free < SHARE * room.inodes:
        yield f"should be {SHARE * room.inodes:,.0f} inodes at the least"

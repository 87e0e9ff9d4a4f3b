"""Which containers mount a directory of the host, and whether a disk has room enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.text import size_text


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

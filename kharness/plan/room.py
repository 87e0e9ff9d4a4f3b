"""When a disk is too full to go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kharness.plan.sizes import size_text

GIGABYTE = 1_000_000_000
SHARE = 0.05
"""Of a disk, and of its inodes: less than that is too little ..."""
LEAST, ENOUGH = 1 * GIGABYTE, 10 * GIGABYTE
"""... but never less than the first, which an image and its build take, and never more than the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a file system has, and has left: bytes and inodes. Some have no number of inodes, and say 0."""

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

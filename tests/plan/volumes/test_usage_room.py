"""When a disk is too full: a table."""

from __future__ import annotations

import pytest

from kharness.plan.volumes.usage import GIGABYTE, Room, why_too_little


@pytest.mark.parametrize(
    ("size", "free", "inodes", "inodes_free", "reasons"),
    [
        (100, 50, 1000, 900, ()),
        (100, 5, 0, 0, ()),
        (100, 4.9, 0, 0, ("should be 5.0 GB at the least",)),
        (8, 0.9, 0, 0, ("should be 1.0 GB at the least",)),
        (8, 1, 0, 0, ()),
        (10_000, 10, 0, 0, ()),
        (10_000, 9, 0, 0, ("should be 10.0 GB at the least",)),
        (100, 50, 2000, 99, ("should be 100 inodes at the least",)),
        (1, 0, 100, 0, ("should be 1.0 GB at the least", "should be 5 inodes at the least")),
    ],
)
def test_a_disk_has_too_little_left(
    size: float, free: float, inodes: int, inodes_free: int, reasons: tuple[str, ...]
) -> None:
    room = Room(size=int(size * GIGABYTE), free=int(free * GIGABYTE), inodes=inodes, inodes_free=inodes_free)
    assert why_too_little(room) == reasons


def test_it_is_told_with_its_inodes_where_it_has_a_number_of_them() -> None:
    assert str(Room(size=10**10, free=10**9, inodes=0, inodes_free=0)) == "1.0 GB of 10.0 GB free"
    told = "1.0 GB of 10.0 GB, 1,500 of 2,000 inodes free"
    assert str(Room(size=10**10, free=10**9, inodes=2000, inodes_free=1500)) == told

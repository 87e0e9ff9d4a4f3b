"""Contents and attributes go from one open file to another without loss."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kharness.host.volumes import content


@pytest.fixture
def files(tmp_path: Path) -> tuple[int, int]:
    (tmp_path / "old").write_bytes(b"x" * 10_000)
    flags = os.O_RDWR | os.O_CREAT
    return os.open(tmp_path / "old", flags), os.open(tmp_path / "new", flags, 0o600)


def test_a_copy_counts_its_bytes_and_is_the_same(files: tuple[int, int]) -> None:
    old, new = files
    counted: list[int] = []
    content.copy(old, new, os.fstat(old), told=counted.append)
    assert sum(counted) == 10_000
    assert content.same(old, new)
    os.pwrite(new, b"y", 9_999)
    assert not content.same(old, new)


def test_a_hole_at_the_end_stays_one(files: tuple[int, int]) -> None:
    old, new = files
    os.ftruncate(old, 8 << 20)
    content.copy(old, new, os.fstat(old), told=lambda _: None)
    assert content.same(old, new)
    assert os.fstat(new).st_size == 8 << 20
    assert content.allocated(os.fstat(new)) < 1 << 20


def test_mode_times_and_attributes_are_given(files: tuple[int, int]) -> None:
    old, new = files
    os.fchmod(old, 0o751)
    os.utime(old, ns=(1, 2))
    lost: set[str] = set()
    content.give(old, new, os.fstat(old), lost=lost)
    found = os.fstat(new)
    assert (found.st_mode & 0o7777, found.st_mtime_ns) == (0o751, 2)
    assert not lost


@pytest.mark.usefixtures("as_root")
def test_a_change_of_owner_keeps_set_id_bits(files: tuple[int, int]) -> None:
    old, _ = files
    os.fchmod(old, 0o6755)
    content.change_owner(old, (1234, 4321))
    found = os.fstat(old)
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (1234, 4321, 0o6755)
    assert content.has_set_id(found)

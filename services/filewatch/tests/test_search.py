from __future__ import annotations

import os
from pathlib import Path

import pytest
from filewatch.search import NotRegularError, TextSearch, TooLargeError

CHUNK = 1024 * 1024


class Counting(TextSearch):
    """Counts how often a file is read."""

    reads = 0

    def _read(self, descriptor: int, path: str, needle: bytes) -> bool:
        self.reads += 1
        return super()._read(descriptor, path, needle)


@pytest.mark.parametrize("at", [0, CHUNK - 3, CHUNK - 1, CHUNK, 2 * CHUNK - 2, 2 * CHUNK + 5])
def test_a_text_is_found_wherever_it_is_also_across_two_reads(tmp_path: Path, at: int) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"." * at + b"panic" + b"." * 10)
    assert TextSearch(max_read=4 * CHUNK).contains(str(file), "panic", now=0)
    assert not TextSearch(max_read=4 * CHUNK).contains(str(file), "panics", now=0)


def test_a_single_character_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"." * CHUNK + b"!")
    assert TextSearch(max_read=4 * CHUNK).contains(str(tmp_path / "a"), "!", now=0)


def test_a_file_larger_than_may_be_read_is_told_unless_the_text_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"." * 100 + b"panic")
    assert TextSearch(max_read=105).contains(str(file), "panic", now=0)
    with pytest.raises(TooLargeError):
        TextSearch(max_read=103).contains(str(file), "panic", now=0)


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotRegularError):
        TextSearch(max_read=10).contains(str(tmp_path / "pipe"), "x", now=0)


def test_a_settled_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("quiet")
    later = file.stat().st_ctime + 10
    search = Counting(max_read=100)
    for _ in range(3):
        search.next_round()
        assert not search.contains(str(file), "panic", now=later)
    assert search.reads == 1
    file.write_text("panic")
    search.next_round()
    assert search.contains(str(file), "panic", now=later)


def test_a_file_modified_just_now_is_read_again_because_it_may_change_within_the_same_tick(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("quiet")
    search = Counting(max_read=100)
    for _ in range(3):
        search.next_round()
        search.contains(str(file), "panic", now=file.stat().st_ctime + 1)
    assert search.reads == 3


def test_a_file_that_is_no_longer_asked_for_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("quiet")
    search = Counting(max_read=100)
    later = file.stat().st_ctime + 10
    search.contains(str(file), "panic", now=later)
    search.next_round()
    search.next_round()
    search.contains(str(file), "panic", now=later)
    assert search.reads == 2

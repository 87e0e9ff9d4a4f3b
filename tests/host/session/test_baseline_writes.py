"""What was written to a tree since an earlier state of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.session.baseline import writes_since
from kharness.host.volumes.copies import make_copy
from kharness.plan.volumes.snapshots import Writes
from tests.host.trees import grow


@pytest.fixture
def before(tmp_path: Path) -> Path:
    top = tmp_path / "before"
    (top / "dir").mkdir(parents=True)
    for name, text in (("kept", "same"), ("changed", "old"), ("dir/removed", "gone")):
        (top / name).write_text(text)
    return top


@pytest.fixture
def after(tmp_path: Path, before: Path) -> Path:
    make_copy(before, tmp_path / "after", progress=None)
    return tmp_path / "after"


def test_a_copy_differs_in_nothing(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    grow(tmp_path / "one", seed=11)
    make_copy(tmp_path / "one", tmp_path / "two", progress=None)
    assert writes_since(tmp_path / "one", tmp_path / "two") == Writes()


def test_files_are_counted_and_the_newest_come_first(before: Path, after: Path) -> None:
    (after / "changed").write_text("newer")
    os.utime(after / "changed", (2_000_000_000, 2_000_000_000))
    (after / "added").write_text("1234567")
    (after / "dir" / "removed").unlink()
    found = writes_since(before, after)
    assert (found.added, found.changed, found.removed, found.count, found.size) == (1, 1, 1, 3, 12)
    assert found.newest == 2_000_000_000
    assert found.names == ("changed", "added", "dir/removed")


def test_a_change_that_leaves_size_and_name_is_seen_by_its_time(before: Path, after: Path) -> None:
    (after / "changed").write_text("dlo")
    assert writes_since(before, after).names == ("changed",)


@pytest.mark.parametrize("mode", [0o600, 0o755])
def test_another_mode_is_a_change(before: Path, after: Path, mode: int) -> None:
    (after / "kept").chmod(mode)
    assert writes_since(before, after).changed == 1


def test_a_directory_that_was_made_counts_and_one_that_something_was_added_to_does_not(
    before: Path, after: Path
) -> None:
    (after / "dir" / "new").mkdir()
    found = writes_since(before, after)
    assert (found.added, found.changed, found.newest, found.names) == (1, 0, None, ("dir/new",))


def test_odd_names_are_shown_as_plain_text(before: Path, after: Path) -> None:
    (after / os.fsdecode(b"bad\xff\n")).write_text("x")
    assert writes_since(before, after).names == ("bad\\xff\\n",)


def test_a_tree_that_is_not_there_is_an_error(tmp_path: Path, before: Path) -> None:
    with pytest.raises(HostError, match="cannot be compared"):
        writes_since(before, tmp_path / "nowhere")

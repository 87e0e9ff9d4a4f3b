"""An overlay looks like its original, never changes it, and tells what was written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.machine.kernel import mounts_below
from kharness.host.session.overlay import mount_overlay, overlay_changes, unmount_overlays, why_no_overlay
from kharness.plan.facts import Change
from tests.host.trees import grow, picture

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    made = tmp_path / "lo,w:er\\ é"
    made.mkdir()
    (made / "file").write_text("old")
    (made / "dir").mkdir()
    (made / "dir/inner").write_text("old")
    (made / "dir/other").write_text("old")
    made.chmod(0o2751)
    os.chown(made, 1234, 77)
    return made


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "a b" / "merged"
    place.mkdir(parents=True)
    yield place
    unmount_overlays(tmp_path)


def mounted(lower: Path, top: Path) -> Path:
    return mount_overlay(lower, top, top.parent / "store")


def changes(lower: Path, upper: Path) -> list[str] | None:
    found = overlay_changes(lower, upper)
    return None if found is None else [f"{change.kind} {change.path}" for change in found]


@pytest.mark.parametrize("seed", range(5))
def test_it_looks_like_its_original_in_every_attribute(tmp_path: Path, top: Path, seed: int) -> None:
    original = tmp_path / "grown"
    original.mkdir()
    grow(original, seed=seed)
    before = picture(original)
    upper = mounted(original, top)
    assert picture(top) == before
    shutil.rmtree(top / "plain", ignore_errors=True)
    (top / "mine").write_text("x")
    assert picture(original) == before
    assert overlay_changes(original, upper)


def test_its_top_has_the_owner_and_mode_of_the_original(lower: Path, top: Path) -> None:
    mounted(lower, top)
    found = top.stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o2751, 1234, 77)


def test_files_of_several_names_stay_one_file(lower: Path, top: Path) -> None:
    (lower / "same").hardlink_to(lower / "file")
    mounted(lower, top)
    (top / "file").write_text("new")
    assert (top / "same").read_text() == "new"
    assert (lower / "same").read_text() == "old"


def test_a_directory_can_be_renamed_and_then_only_a_comparison_tells(lower: Path, top: Path) -> None:
    upper = mounted(lower, top)
    (top / "dir").rename(top / "moved")
    assert (top / "moved/inner").read_text() == "old"
    assert changes(lower, upper) is None
    assert (lower / "dir/inner").exists()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("true", []),
        ("cat file dir/* >/dev/null", []),
        (": >>file", []),
        ("echo new >file", ["changed file"]),
        ("chmod 600 file", ["changed file"]),
        ("chown 5 dir", ["changed dir"]),
        ("rm file", ["removed file"]),
        ("rm file; echo back >file", ["changed file"]),
        ("echo x >added; rm added", []),
        ("mkdir -p a/b; echo x >a/b/c", ["added a", "added a/b", "added a/b/c"]),
        ("echo x >dir/new; echo y >dir/inner", ["changed dir/inner", "added dir/new"]),
        ("rm -r dir", ["removed dir", "removed dir/inner", "removed dir/other"]),
        (
            "rm -r dir; mkdir dir; echo x >dir/new",
            ["changed dir", "removed dir/inner", "added dir/new", "removed dir/other"],
        ),
        ("rm -r dir; echo x >dir", ["changed dir", "removed dir/inner", "removed dir/other"]),
        ("rm -r dir; ln -s /etc dir", ["changed dir", "removed dir/inner", "removed dir/other"]),
        ("rm file; mkdir file; echo x >file/y", ["changed file", "added file/y"]),
        ("printf x >'new\nline'", ["added new\nline"]),
        ("printf x >\"$(printf 'odd\\377')\"", [f"added {os.fsdecode(b'odd' + bytes([255]))}"]),
        ("mv file renamed", ["removed file", "added renamed"]),
        ("touch -d 2001-01-01 file", ["changed file"]),
    ],
)
def test_it_tells_what_was_written(lower: Path, top: Path, command: str, expected: list[str]) -> None:
    upper = mounted(lower, top)
    subprocess.run(["bash", "-c", command], cwd=top, check=True)
    assert changes(lower, upper) == expected
    assert (lower / "file").read_text() == "old"


def test_it_is_unmounted_also_while_somebody_is_in_it(lower: Path, top: Path) -> None:
    mounted(lower, top)
    with (top / "dir/inner").open("a") as held:
        unmount_overlays(top.parent)
        held.write("still")
    assert mounts_below(top.parent) == ()
    assert list(top.iterdir()) == []


def test_other_mounts_are_left_alone(tmp_path: Path, small_disk: Path) -> None:
    unmount_overlays(tmp_path)
    assert [str(found.place) for found in mounts_below(tmp_path)] == [str(small_disk)]


def test_what_cannot_be_mounted_is_told_and_nothing_is(tmp_path: Path, top: Path) -> None:
    with pytest.raises(HostError, match=r"merged: an overlay over .*gone cannot be made: .*No such file"):
        mounted(tmp_path / "gone", top)
    deep = tmp_path / ("x" * 250) / ("y" * 250) / ("," * 250)
    deep.mkdir(parents=True)
    stores = top.parent / ("z" * 250)
    with pytest.raises(HostError, match="cannot be mounted: File name too long"):
        mount_overlay(deep, top, stores / ("," * 250) / ("," * 250) / ("," * 250) / ("," * 250) / ("," * 250))
    assert mounts_below(tmp_path) == ()


def test_only_root_can(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_no_overlay() == ""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert why_no_overlay() == "only root mounts an overlay"


def test_changes_are_the_values_that_an_engine_s_diff_has(lower: Path, top: Path) -> None:
    upper = mounted(lower, top)
    (top / "file").unlink()
    assert overlay_changes(lower, upper) == (Change("removed", "file"),)

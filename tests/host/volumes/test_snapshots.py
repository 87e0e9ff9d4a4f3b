"""Snapshots of a volume directory: complete or not there, put back by renames, on every file system."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.volumes import btrfs
from kharness.host.volumes.snapshots import ABOUT, Snapshots
from kharness.plan.volumes.snapshots import DATA, Snapshot, Writes
from tests.host.trees import grow, picture

ONE = Snapshot(id="one", at=1.0, image="sha256:b", previous="sha256:a", after=7)
TWO = replace(ONE, id="two", at=2.0, after=9)


def store(root: Path, *, subvolume: bool = False) -> Snapshots:
    found = Snapshots(root, "web")
    if subvolume:
        assert btrfs.create(found.directory)
    else:
        found.directory.mkdir(parents=True)
    return found


@pytest.fixture(params=["plain", "subvolume", "reflink"])
def found(request: pytest.FixtureRequest, tmp_path: Path) -> Snapshots:
    if request.param == "plain":
        return store(tmp_path / "dv")
    disk: Path = request.getfixturevalue("btrfs_disk")
    return store(disk, subvolume=request.param == "subvolume")


def ways(found: Snapshots) -> str:
    if btrfs.is_subvolume(found.directory):
        return "btrfs"
    return "reflink" if btrfs.is_subvolume(found.directory.parent) else "real"


def test_a_snapshot_is_the_directory_and_what_is_put_back_is_it_again(found: Snapshots) -> None:
    grow(found.directory, seed=3)
    (found.directory / "big").write_bytes(b"x" * 100_000)
    before = picture(found.directory)
    estimate = found.estimate()
    assert found.take(ONE) == ()
    assert estimate.strategy == ways(found)
    assert picture(found.place / "one" / DATA) == before
    assert found.kept() == (replace(ONE, strategy=estimate.strategy),)
    assert found.is_taken("one")
    (found.directory / "big").write_bytes(b"y" * 10)
    (found.directory / "new").write_text("migrated")
    found.put_back("one")
    assert picture(found.directory) == before
    assert not found.is_taken("one")
    lost = found.discarded("one")
    assert lost is not None
    assert lost.writes is not None
    assert (lost.writes.added, lost.writes.changed, lost.writes.removed, lost.writes.size) == (1, 1, 0, 18)
    assert (found.place / "one.discarded" / DATA / "new").read_text() == "migrated"
    assert [each.name for each in found.kept()] == ["one.discarded"]


def test_what_was_put_back_can_be_snapshotted_and_put_back_again(found: Snapshots) -> None:
    (found.directory / "a").write_text("first")
    for name in ("one", "two", "three"):
        found.take(replace(ONE, id=name))
        (found.directory / "a").write_text(f"{name} migrated it")
        found.put_back(name)
        assert (found.directory / "a").read_text() == "first"


def test_a_copy_of_an_older_snapshot_takes_the_directory_s_place_and_leaves_it_again(found: Snapshots) -> None:
    (found.directory / "a").write_text("old")
    found.take(ONE)
    (found.directory / "a").write_text("newer")
    (found.directory / "b").write_text("newer, too")
    present = picture(found.directory)
    found.prepare("two", of="one")
    assert picture(found.directory) == present
    found.exchange(TWO)
    assert {path.name: path.read_text() for path in found.directory.iterdir()} == {"a": "old"}
    (found.directory / "a").write_text("old and changed")
    found.put_back("two", base="one")
    assert picture(found.directory) == present
    assert (found.place / "one" / DATA / "a").read_text() == "old"
    lost = found.discarded("two")
    assert lost is not None
    assert lost.writes is not None
    assert (lost.writes.count, lost.writes.names) == (1, ("a",))


def test_nothing_is_put_back_where_nothing_was_taken(found: Snapshots) -> None:
    (found.directory / "a").write_text("as it is")
    found.put_back("one")
    assert (found.directory / "a").read_text() == "as it is"
    assert found.discarded("one") is None


def test_what_is_removed_is_gone_with_all_that_is_in_it(found: Snapshots) -> None:
    grow(found.directory, seed=5)
    found.take(ONE)
    found.take(TWO)
    found.remove(found.kept()[0])
    assert [each.id for each in found.kept()] == ["two"]
    found.remove(found.kept()[0])
    assert list(found.place.iterdir()) == []
    found.remove(ONE)


def test_a_discarded_tree_in_which_nobody_wrote_is_not_kept(found: Snapshots) -> None:
    (found.directory / "a").write_text("same")
    found.take(ONE)
    found.put_back("one")
    lost = found.discarded("one")
    assert lost is not None
    assert lost.writes == Writes()
    found.tidy()
    assert list(found.place.iterdir()) == []


def test_tidying_removes_what_is_not_complete_and_not_in_use(tmp_path: Path) -> None:
    found = store(tmp_path / "dv")
    (found.directory / "a").write_text("a")
    found.take(ONE)
    found.prepare("two", of="one")
    (found.place / "three.partial" / DATA).mkdir(parents=True)
    (found.place / "four").mkdir()
    (found.place / "four" / ABOUT).write_text("{}")
    found.tidy(in_use=frozenset({"two"}))
    assert sorted(path.name for path in found.place.iterdir()) == ["one", "two.restored"]
    found.tidy()
    assert sorted(path.name for path in found.place.iterdir()) == ["one"]


def test_a_stopped_server_s_socket_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = store(tmp_path / "dv")
    (found.directory / "a").write_text("a")
    monkeypatch.chdir(found.directory)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("ctl")
    assert found.take(ONE) == ("ctl",)
    found.put_back("one")
    assert found.discarded("one") == replace(ONE, discarded=True, strategy="moved", writes=Writes())


def test_a_disk_without_the_space_is_told_before_anything_is_made(small_disk: Path) -> None:
    found = store(small_disk)
    (found.directory / "big").write_bytes(os.urandom(500_000))
    with pytest.raises(HostError, match=r"a copy of .* needs 5\d\d\.\d kB, and only .* are free"):
        found.estimate()
    with pytest.raises(HostError, match="needs"):
        found.take(ONE)
    assert not found.is_taken("one")
    found.tidy()
    assert list(found.place.iterdir()) == []


def test_a_subvolume_with_others_in_it_is_copied_because_a_snapshot_would_lack_them(btrfs_disk: Path) -> None:
    found = store(btrfs_disk, subvolume=True)
    btrfs.create(found.directory / "inner")
    (found.directory / "inner" / "a").write_text("inside")
    assert found.estimate().strategy == "reflink"
    found.take(ONE)
    assert (found.place / "one" / DATA / "inner" / "a").read_text() == "inside"
    found.put_back("one")
    assert (found.directory / "inner" / "a").read_text() == "inside"
    found.tidy()
    assert list(found.place.iterdir()) == []


def test_files_share_blocks_where_the_file_system_can(reflink_disk: Path) -> None:
    found = store(reflink_disk)
    (found.directory / "big").write_bytes(os.urandom(4 << 20))
    assert found.estimate().strategy == "reflink"
    found.take(ONE)
    assert found.kept()[0].strategy == "reflink"


def test_something_in_the_way_of_what_is_put_back_is_never_removed(tmp_path: Path) -> None:
    found = store(tmp_path / "dv")
    (found.directory / "a").write_text("old")
    found.take(ONE)
    (found.place / "one.discarded" / DATA).mkdir(parents=True)
    with pytest.raises(HostError, match="Directory not empty"):
        found.put_back("one")
    (found.directory / "a").rename(tmp_path / "a")
    found.put_back("one")
    assert (found.directory / "a").read_text() == "old"


def test_a_snapshot_that_says_nothing_of_itself_is_named(tmp_path: Path) -> None:
    found = store(tmp_path / "dv")
    found.take(ONE)
    (found.place / "one" / ABOUT).write_text("{")
    with pytest.raises(HostError, match=r"one/about\.json: should say what this snapshot is, and cannot be read"):
        found.kept()


def test_others_cannot_look_into_snapshots(found: Snapshots) -> None:
    found.take(ONE)
    assert found.place.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def btrfs_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or not shutil.which("mkfs.btrfs"):
        pytest.skip("needs root and mkfs.btrfs")
    image, place = tmp_path / "btrfs.img", tmp_path / "btrfs"
    with image.open("wb") as file:
        file.truncate(200 << 20)
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True)
    place.mkdir()
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False).returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_directory_of_another_file_system_is_no_subvolume(tmp_path: Path, btrfs_disk: Path) -> None:
    assert not btrfs.is_subvolume(tmp_path)
    assert not btrfs.create(tmp_path / "sub")
    assert btrfs.create(btrfs_disk / "sub")
    assert btrfs.is_subvolume(btrfs_disk / "sub")
    assert not btrfs.has_inner(btrfs_disk / "sub")
    assert btrfs.has_inner(btrfs_disk)
    (btrfs_disk / "link").symlink_to("sub")
    assert not btrfs.is_subvolume(btrfs_disk / "link")
    assert btrfs.destroy(btrfs_disk / "sub")
    assert not (btrfs_disk / "sub").exists()


def test_what_is_lent_to_a_reader_takes_no_time_where_files_share_blocks(reflink_disk: Path) -> None:
    found = Snapshots(reflink_disk, "web", place=".kharness/backups")
    if not btrfs.create(reflink_disk / "web"):
        (reflink_disk / "web").mkdir()
    (reflink_disk / "web" / "row").write_bytes(bytes(1 << 20))
    lent = found.lend("r1")
    assert lent is not None
    (reflink_disk / "web" / "row").write_text("later")
    assert (lent / "row").stat().st_size == 1 << 20
    found.take_back("r1")
    assert not lent.exists()
    # A reader that was killed takes nothing back.
    assert found.lend("r2") is not None
    found.tidy()
    assert list(found.place.iterdir()) == []


def test_nothing_is_lent_that_had_to_be_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.host.volumes.snapshots.why_no_reflink", lambda *_: "not here")
    (tmp_path / "web").mkdir()
    found = Snapshots(tmp_path, "web", place=".kharness/backups")
    assert found.lend("r1") is None
    assert list(found.place.iterdir()) == []
    found.take_back("r1")


def fill(place: Path) -> None:
    (place / "row").write_text("other")


def test_what_was_unpacked_takes_the_directory_s_place_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "row").write_text("present")
    found = Snapshots(tmp_path, "web")
    found.unpack("r1", fill)
    found.exchange(Snapshot(id="r1", at=1.0, image="i", previous="i", after=0))
    assert (tmp_path / "web" / "row").read_text() == "other"
    assert (found.has("r1"), found.has(".."), found.has("")) == (True, False, False)
    found.put_back("r1")
    assert (tmp_path / "web" / "row").read_text() == "present"


def test_what_cannot_be_unpacked_leaves_the_directory_alone(tmp_path: Path) -> None:
    def full(_place: Path) -> None:
        raise HostError("full")

    (tmp_path / "web").mkdir()
    found = Snapshots(tmp_path, "web")
    with pytest.raises(HostError, match="full"):
        found.unpack("r1", full)
    found.tidy()
    assert (list(found.place.iterdir()), (tmp_path / "web").is_dir()) == ([], True)

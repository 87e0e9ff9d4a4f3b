from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kharness.errors import HostError
from kharness.host.session.overlay import mount_overlay
from kharness.host.trees import MAX_DEPTH
from kharness.host.volumes.copies import CopyReport, make_copy, make_empty, make_tree
from kharness.host.volumes.directories import remove_tree
from tests.host.trees import grow, picture


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    made.mkdir()
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "copies" / "target"


def used_by(disk: Path, work: Callable[[], object]) -> int:
    os.sync()
    before = os.statvfs(disk)
    work()
    os.sync()
    return (before.f_bfree - os.statvfs(disk).f_bfree) * before.f_frsize


def copied(source: Path, target: Path) -> CopyReport:
    return make_copy(source, target, progress=None)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_copy_is_like_its_original_in_every_attribute(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    place = tmp_path_factory.mktemp("copies")
    (place / "source").mkdir()
    grow(place / "source", seed=seed, entries=40)
    before = picture(place / "source")
    report = copied(place / "source", place / "target")
    assert picture(place / "target") == before
    assert picture(place / "source") == before
    assert (report.vanished, report.lost) == ((), ())
    assert report.files == sum(not stat.S_ISDIR(seen.mode) for seen in before.values())
    remove_tree(place)
    assert not place.exists()


def test_many_files_of_a_directory_are_all_copied(source: Path, target: Path) -> None:
    for number in range(500):
        (source / f"{number}").write_text(f"content {number}")
    report = copied(source, target)
    assert picture(target) == picture(source)
    assert (report.files, report.bytes) == (500, sum(len(f"content {number}") for number in range(500)))


def test_hard_links_across_directories_stay_one_file(source: Path, target: Path) -> None:
    (source / "a").mkdir()
    (source / "b").mkdir()
    (source / "a/one").write_text("x")
    (source / "b/two").hardlink_to(source / "a/one")
    copied(source, target)
    assert (target / "a/one").samefile(target / "b/two")
    assert not (target / "a/one").samefile(source / "a/one")


def test_a_copy_has_the_holes_and_not_the_size_of_its_original(source: Path, target: Path) -> None:
    with (source / "sparse").open("wb") as file:
        file.seek(500 << 20)
        file.write(b"end")
    report = copied(source, target)
    assert (target / "sparse").stat().st_size == (500 << 20) + 3
    assert (target / "sparse").stat().st_blocks == (source / "sparse").stat().st_blocks
    assert report.bytes < 1 << 20


def test_links_are_copied_and_not_what_they_lead_to(source: Path, target: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (source / "file").symlink_to(tmp_path / "secret")
    (source / "directory").symlink_to(tmp_path)
    copied(source, target)
    assert (target / "file").readlink() == tmp_path / "secret"
    assert (target / "directory").is_symlink()


@pytest.mark.usefixtures("as_root")
def test_devices_are_copied(source: Path, target: Path) -> None:
    os.mknod(source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.chmod(source / "null", 0o666)  # noqa: PTH101 - beside mknod
    copied(source, target)
    assert picture(target) == picture(source)


@pytest.mark.usefixtures("as_root")
def test_acls_and_capabilities_are_copied(source: Path, target: Path) -> None:
    # acl(5) in the kernel's form: version 2, then tag, permissions and id of each entry.
    entries = ((1, 6, -1), (2, 4, 1234), (4, 4, -1), (16, 4, -1), (32, 0, -1))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    (source / "file").touch()
    os.setxattr(source / "file", "system.posix_acl_access", acl)
    os.setxattr(source, "system.posix_acl_default", acl)
    (source / "ping").touch(mode=0o755)
    os.setxattr(source / "ping", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0))
    (source / "inner").mkdir()
    copied(source, target)
    assert picture(target) == picture(source)
    assert os.getxattr(target / "file", "system.posix_acl_access") == acl


@pytest.mark.usefixtures("as_root")
def test_a_copy_does_not_inherit_the_acl_of_where_it_is_put(source: Path, target: Path) -> None:
    entries = ((1, 7, -1), (2, 7, 1234), (4, 7, -1), (16, 7, -1), (32, 7, -1))
    target.parent.mkdir()
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    os.setxattr(target.parent, "system.posix_acl_default", acl)
    (source / "inner").mkdir()
    (source / "inner/file").write_text("x")
    copied(source, target)
    assert picture(target) == picture(source)


def test_sockets_are_refused_by_name_before_anything_is_made(source: Path, target: Path) -> None:
    (source / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "run/db.sock"))
        with pytest.raises(HostError, match=r"no sockets to be copied, not .*/run/db\.sock; keep them on a tmpfs"):
            copied(source, target)
    assert not target.exists()


@pytest.mark.usefixtures("as_root")
def test_a_copy_that_does_not_fit_is_refused_before_anything_is_copied(source: Path, small_disk: Path) -> None:
    (source / "a").write_bytes(b"small")
    (source / "file").write_bytes(os.urandom(900_000))
    with pytest.raises(HostError, match=r"a copy of .*source needs 9..\.. kB, and only 8..\.. kB are free"):
        copied(source, small_disk / "copy")
    assert not (small_disk / "copy").exists()


def test_a_copy_into_itself_is_refused(source: Path) -> None:
    with pytest.raises(HostError, match="should not be below"):
        copied(source, source / "inner" / "copy")


def test_a_target_with_something_in_it_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(HostError, match="full: should be empty"):
        copied(source, tmp_path / "full")


def test_a_source_that_is_missing_is_named(source: Path, target: Path) -> None:
    with pytest.raises(HostError, match=r"missing: cannot be copied: .*No such file"):
        copied(source / "missing", target)


def test_a_source_that_is_a_link_is_followed_once(source: Path, target: Path, tmp_path: Path) -> None:
    (source / "file").write_text("x")
    (tmp_path / "link").symlink_to(source)
    copied(tmp_path / "link", target)
    assert picture(target) == picture(source)


def test_a_single_file_is_copied_over_an_empty_stand_in(source: Path, tmp_path: Path) -> None:
    (source / "file").write_text("secret")
    (source / "file").chmod(0o440)
    (tmp_path / "0").touch()
    report = copied(source / "file", tmp_path / "0")
    assert picture(tmp_path / "0") == picture(source / "file")
    assert (report.files, report.bytes, report.vanished) == (1, 6, ())


def test_a_tree_that_is_too_deep_is_refused(source: Path, target: Path) -> None:
    at = source
    for _ in range(MAX_DEPTH + 1):
        at /= "d"
        at.mkdir()
    with pytest.raises(HostError, match="should not be deeper than 200 directories"):
        copied(source, target)


def test_progress_is_told(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.host.volumes.copying._EVERY_FLAG", 0.0)
    for number in range(5):
        (source / str(number)).write_text("x")
    lines: list[str] = []
    make_copy(source, target, progress=lines.append)
    assert "copied 5 files, 0 MB" in lines


def test_a_failure_in_progress_ends_the_copy(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_line: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kharness.host.volumes.copying._EVERY_FLAG", 0.0)
    for number in range(2000):
        (source / str(number)).write_text("x")
    with pytest.raises(KeyboardInterrupt):
        make_copy(source, target, progress=fail)
    assert len(list(target.iterdir())) < 2000
    remove_tree(target)
    assert not target.exists()


@pytest.mark.usefixtures("as_root")
def test_another_file_system_is_copied_to_with_all_its_attributes(source: Path, small_disk: Path) -> None:
    grow(source, seed=7, entries=20)
    report = copied(source, small_disk / "copy")
    mine, theirs = picture(small_disk / "copy"), picture(source)
    assert mine.keys() == theirs.keys()
    assert {name: seen.content for name, seen in mine.items()} == {name: seen.content for name, seen in theirs.items()}
    assert report.strategy == "real"


@pytest.mark.usefixtures("as_root")
def test_files_share_their_blocks_where_the_file_system_can(reflink_disk: Path) -> None:
    (reflink_disk / "source").mkdir()
    grow(reflink_disk / "source", seed=11)
    (reflink_disk / "source/big").write_bytes(os.urandom(20 << 20))
    report = copied(reflink_disk / "source", reflink_disk / "copy")
    assert report.strategy == "reflink"
    assert picture(reflink_disk / "copy") == picture(reflink_disk / "source")
    assert used_by(reflink_disk, lambda: copied(reflink_disk / "source", reflink_disk / "other")) < 5 << 20
    (reflink_disk / "copy/big").write_bytes(b"mine")
    assert (reflink_disk / "source/big").stat().st_size == 20 << 20


def test_a_tree_has_the_directories_alone(source: Path, target: Path) -> None:
    grow(source, seed=3)
    (source / "link-to-directory").symlink_to("/etc")
    make_tree(source, target)
    everything = picture(source)
    assert picture(target) == {name: seen for name, seen in everything.items() if stat.S_ISDIR(seen.mode)}


def test_a_tree_is_made_beside_sockets(source: Path, target: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "s"))
        make_tree(source, target)
    assert list(target.iterdir()) == []


@pytest.mark.usefixtures("as_root")
def test_an_empty_directory_is_owned_and_moded_like_its_original(source: Path, target: Path) -> None:
    (source / "file").touch()
    os.chown(source, 1234, 4321)
    source.chmod(0o2750)
    make_empty(source, target)
    found = target.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 4321, 0o2750)
    assert list(target.iterdir()) == []


def test_an_empty_directory_without_original_is_everybodys_to_read(target: Path) -> None:
    old = os.umask(0o077)
    try:
        make_empty(None, target)
        make_empty(target / "nothing", target.with_name("other"))
    finally:
        os.umask(old)
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert stat.S_IMODE(target.with_name("other").stat().st_mode) == 0o755


def test_a_tree_in_use_is_copied_as_far_as_it_holds_still(source: Path, target: Path) -> None:
    for number in range(300):
        (source / f"stays-{number}").write_text("x")
    done = threading.Event()

    def work() -> None:
        number = 0
        while not done.is_set():
            for kind in range(20):
                (source / f"file-{kind}").write_text("x" * number)
                (source / f"dir-{kind}").mkdir()
            for kind in range(20):
                (source / f"file-{kind}").unlink()
                (source / f"dir-{kind}").rmdir()
            number += 1

    writer = threading.Thread(target=work)
    writer.start()
    try:
        for number in range(5):
            copied(source, target / str(number))
    finally:
        done.set()
        writer.join()
    for number in range(5):
        assert len(list((target / str(number)).glob("stays-*"))) == 300


@pytest.mark.usefixtures("as_root")
def test_a_file_system_that_cannot_be_written_is_told_and_holds_nothing(source: Path, small_disk: Path) -> None:
    (source / "file").write_text("x")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(HostError, match=r"cannot be copied: .*Read-only file system"):
        copied(source, small_disk / "inner" / "copy")
    with pytest.raises(HostError, match=r"an overlay over .* cannot be made: .*Read-only file system"):
        mount_overlay(source, small_disk, small_disk / "store")
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.usefixtures("as_root")
def test_no_mode_is_taken_for_that_of_a_new_file(source: Path, target: Path, umask: int) -> None:
    modes = (0o000, 0o444, 0o600, 0o644, 0o664, 0o755, 0o777, 0o2755, 0o4711)
    for number, mode in enumerate((*modes, *reversed(modes))):
        directory = source / f"{number}"
        directory.mkdir()
        directory.chmod(0o2775)
        for inner, each in enumerate((mode, *modes)):
            (directory / f"{inner}").write_text("x")
            (directory / f"{inner}").chmod(each)
    before = os.umask(umask)
    try:
        copied(source, target)
    finally:
        os.umask(before)
    assert picture(target) == picture(source)

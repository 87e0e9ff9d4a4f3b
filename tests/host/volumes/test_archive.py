"""Whole directory trees in one tar file: nothing of them is lost, and what is cut off or changed is refused."""

from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.volumes.archive import (
    LONGEST,
    Stored,
    members,
    read_text,
    remove_partial,
    sha256_of,
    unpack,
    writing,
)

ANY = 0xFFFFFFFF
ACL = struct.pack("<I" + "HHI" * 5, 2, 1, 7, ANY, 2, 7, 1234, 4, 5, ANY, 0x10, 7, ANY, 0x20, 0, ANY)
"""u::rwx, u:1234:rwx, g::r-x, m::rwx, o::---, as the kernel has it; see acl(5) and linux/posix_acl_xattr.h."""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def tree(path: Path) -> Path:
    path.mkdir()
    (path / "a").write_text("text")
    (path / "sub").mkdir()
    (path / "sub" / "deep").write_bytes(bytes(range(256)))
    (path / "link").symlink_to("sub/deep")
    os.link(path / "a", path / "hard")
    with (path / "sparse").open("wb") as file:
        file.truncate(50 << 20)
        file.seek(20 << 20)
        file.write(b"x")
    return path


def packed(path: Path, directory: Path) -> tuple[Path, Stored]:
    with writing(path) as archive:
        stored = archive.add_tree("volumes/1.tar", directory)
        archive.add_text("about", "words")
    return path, stored


def told(path: Path) -> dict[str, tuple[object, ...]]:
    """Return all that is known of each entry of a tree, by its path."""
    found: dict[str, tuple[object, ...]] = {}
    for each in (path, *sorted(path.rglob("*"))):
        one = each.lstat()
        names = os.listxattr(each, follow_symlinks=False)
        attributes = {name: os.getxattr(each, name, follow_symlinks=False) for name in names}
        size = one.st_size if stat.S_ISREG(one.st_mode) else 0
        owner = (one.st_mode, one.st_uid, one.st_gid)
        found[str(each.relative_to(path))] = (*owner, size, one.st_mtime_ns, one.st_nlink, one.st_rdev, attributes)
    return found


@as_root
def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    os.chown(source / "a", 70001, 70002)
    os.chown(source, 999, 998)
    source.chmod(0o2711)
    (source / "sub" / "deep").chmod(0o4755)
    os.mkfifo(source / "fifo")
    os.mknod(source / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.setxattr(source / "a", "user.colour", b"blue\xff")
    os.setxattr(
        source / "sub" / "deep", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000")
    )
    os.setxattr(source / "sub", "system.posix_acl_access", ACL)
    os.setxattr(source / "sub", "system.posix_acl_default", ACL)
    os.utime(source / "a", ns=(1, 1_234_567_891))
    (source / os.fsdecode(b"\xff\xfe\n odd")).write_bytes(b"odd")
    file_, stored = packed(tmp_path / "b.tar", source)
    target = tmp_path / "target"
    target.mkdir()
    unpack(file_, members(file_)["volumes/1.tar"], target, sha256=stored.sha256)

    assert told(target) == told(source)
    assert (target / "sparse").stat().st_blocks * 512 < 1 << 20
    assert file_.stat().st_size < 2 << 20
    assert (target / "sub" / "deep").read_bytes() == bytes(range(256))


def test_it_can_be_read_by_hand(tmp_path: Path) -> None:
    file, stored = packed(tmp_path / "b.tar", tree(tmp_path / "source"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xf", file, "-C", out], check=True)
    assert (out / "about").read_text() == "words"
    done = subprocess.run(["sha256sum", out / "volumes" / "1.tar"], check=True, capture_output=True, text=True)
    assert done.stdout.split()[0] == stored.sha256 == sha256_of(file, members(file)["volumes/1.tar"])
    subprocess.run(["tar", "-xf", out / "volumes" / "1.tar", "-C", out], check=True)
    assert (out / "sub" / "deep").read_bytes() == bytes(range(256))


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), writing(tmp_path / "b.tar"):
        raise KeyError
    with pytest.raises(HostError, match="gone: cannot be read whole"), writing(tmp_path / "b.tar") as archive:
        archive.add_tree("1.tar", tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_text("mine")
    with pytest.raises(HostError, match="exists already"), writing(tmp_path / "b.tar"):
        pass
    assert (tmp_path / "b.tar").read_text() == "mine"


def test_a_full_disk_leaves_nothing(small_disk: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "big").write_bytes(os.urandom(4 << 20))
    with pytest.raises(HostError, match=r"b\.tar: cannot be written: No space left on device"):
        packed(small_disk / "b.tar", source)
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_where_it_is_unpacked_is_named(small_disk: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "big").write_bytes(os.urandom(4 << 20))
    file, stored = packed(tmp_path / "b.tar", source)
    with pytest.raises(HostError, match=r"cannot be unpacked: \./big: .*(Wrote only|No space left)"):
        unpack(file, members(file)["volumes/1.tar"], small_disk, sha256=stored.sha256)


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    ours = (".web-20260101-000000.tar.partial", ".web-20260101-000000-2.tar.partial")
    names = (*ours, ".web-2-20260101-000000.tar.partial", ".web.tar.partial", "web.tar")
    for name in names:
        (tmp_path / name).write_text("")
    remove_partial(tmp_path, "web")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[2:])
    remove_partial(tmp_path / "gone", "web")


def test_what_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "web-20261130-101500.tar"
    with writing(path) as archive:
        archive.add_text("about", "one")
        remove_partial(tmp_path, "web")
        with pytest.raises(HostError, match="is being written by another process"), writing(path):
            pass
    assert members(path).keys() == {"about"}
    with pytest.raises(HostError, match="exists already"), writing(path):
        pass
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("keep", [0, 100, 700, 5000])
def test_a_file_that_is_cut_off_or_none_of_ours_is_refused(tmp_path: Path, keep: int) -> None:
    file, _ = packed(tmp_path / "b.tar", tree(tmp_path / "source"))
    data = file.read_bytes()
    file.write_bytes(data[:keep])
    with pytest.raises(HostError, match=r"b\.tar"):
        read_whole(file)


def read_whole(file: Path) -> None:
    found = members(file)
    read_text(file, found.get("about", Stored(name="about", size=LONGEST + 1)))
    sha256_of(file, found["volumes/1.tar"])


def test_a_tree_that_was_changed_is_noticed_while_it_is_unpacked(tmp_path: Path) -> None:
    file, _ = packed(tmp_path / "b.tar", tree(tmp_path / "source"))
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(HostError, match="is not what its manifest says: it was changed"):
        unpack(file, members(file)["volumes/1.tar"], target, sha256="0" * 64)


def test_what_leads_out_of_the_directory_is_not_written(tmp_path: Path) -> None:
    inner = tmp_path / "inner.tar"
    with tarfile.open(inner, "w") as archive:
        bad = tarfile.TarInfo("../escaped")
        archive.addfile(bad)
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("link/through"))
    file = tmp_path / "b.tar"
    with tarfile.open(file, "w") as archive:
        archive.add(inner, "volumes/1.tar")
    target = tmp_path / "target"
    target.mkdir()
    member = members(file)["volumes/1.tar"]
    with pytest.raises(HostError, match="cannot be unpacked"):
        unpack(file, member, target, sha256=sha256_of(file, member))
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "through").exists()


def test_sockets_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "s"
    source.mkdir()
    (source / "a").write_text("a")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "socket"))
        file, stored = packed(tmp_path / "b.tar", source)
    target = tmp_path / "target"
    target.mkdir()
    unpack(file, members(file)["volumes/1.tar"], target, sha256=stored.sha256)
    assert [path.name for path in target.iterdir()] == ["a"]


def test_another_tar_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "tar"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'tar (busybox) 1.36'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent))
    with pytest.raises(HostError, match="should be GNU tar"), writing(tmp_path / "b.tar"):
        pass
    fake.unlink()
    with pytest.raises(HostError, match="GNU tar is not installed"), writing(tmp_path / "b.tar"):
        pass


def test_a_header_has_room_for_any_size() -> None:
    said = tarfile.TarInfo("volumes/1.tar")
    said.size = 20 << 30
    assert len(said.tobuf(tarfile.GNU_FORMAT)) == 512
    assert tarfile.TarInfo.frombuf(said.tobuf(tarfile.GNU_FORMAT), "utf-8", "strict").size == 20 << 30

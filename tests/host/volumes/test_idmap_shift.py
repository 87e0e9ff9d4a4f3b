"""Owners of a whole directory move to another mapping: each once, also after an interruption."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.volumes.content import change_owner
from kharness.host.volumes.idmap import shift_tree
from kharness.plan.volumes.idmap import IDENTITY, IdMaps, Shifted, plan_shift, shifted_map
from tests.host.trees import grow, picture

pytestmark = pytest.mark.usefixtures("as_root")

BASE = 231072
MAPS = IdMaps(shifted_map(BASE, 65536), shifted_map(BASE, 65536, what="gid"))
THERE, BACK = plan_shift("none", MAPS), plan_shift(str(BASE), IDENTITY)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = tmp_path / "dv/web/data"
    made.mkdir(parents=True)
    return made


def moved(data: Path, **how: bool) -> Shifted:
    found = shift_tree(data.parents[1], "web/data", THERE, **how)
    assert found is not None
    return found


def owners(data: Path) -> dict[str, tuple[int, int]]:
    paths = (data, *data.rglob("*"))
    return {str(path.relative_to(data)): (path.lstat().st_uid, path.lstat().st_gid) for path in paths}


@pytest.mark.parametrize("seed", range(4))
def test_there_and_back_again_everything_is_as_it_was(data: Path, seed: int) -> None:
    grow(data, seed=seed)
    before, belonged = picture(data), owners(data)
    count = moved(data, dry_run=True)
    assert picture(data) == before
    assert moved(data) == count
    assert count.moved > 1
    assert owners(data) == {name: THERE.owner(*owner) for name, owner in belonged.items()}
    shift_tree(data.parents[1], "web/data", BACK)
    assert picture(data) == before


def test_what_was_interrupted_is_done_again(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        (data / f"{number:02}").touch()
        os.chown(data / f"{number:02}", number, 100 + number)
    left = [7]

    def interrupted(opened: int, owner: tuple[int, int]) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        change_owner(opened, owner)

    with monkeypatch.context() as patch:
        patch.setattr("kharness.host.volumes.idmap.change_owner", interrupted)
        with pytest.raises(KeyboardInterrupt):
            moved(data)
    rest = moved(data)
    assert (rest.moved, rest.done) == (15, 6)
    wanted = {f"{number:02}": (BASE + number, BASE + 100 + number) for number in range(20)}
    assert owners(data) == {".": (BASE, BASE), **wanted}
    assert moved(data) == Shifted(done=21)


def test_hard_links_move_once_and_foreign_owners_stay(data: Path) -> None:
    (data / "one").touch()
    (data / "two").hardlink_to(data / "one")
    (data / "strange").touch()
    os.chown(data / "strange", 100000, 5)
    found = moved(data)
    assert (found.moved, found.foreign, found.example) == (3, 1, str(data / "strange"))
    assert owners(data)["two"] == (BASE, BASE)
    assert owners(data)["strange"] == (100000, BASE + 5)


def test_links_are_moved_themselves_and_not_followed(data: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (data / "file").symlink_to(outside / "file")
    (data / "directory").symlink_to(outside)
    before = picture(outside)
    assert moved(data).moved == 3
    assert picture(outside) == before
    assert owners(data)["directory"] == (BASE, BASE)


def test_set_id_bits_and_capabilities_stay(data: Path) -> None:
    program = data / "program"
    program.write_bytes(b"x")
    program.chmod(0o6755)
    capability = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
    other = data / "other"
    other.write_bytes(b"x")
    os.setxattr(other, "security.capability", capability)
    data.chmod(0o2770)
    found = moved(data)
    assert (found.moved, found.kept) == (3, 3)
    assert stat.S_IMODE(program.stat().st_mode) == 0o6755
    assert stat.S_IMODE(data.stat().st_mode) == 0o2770
    assert os.getxattr(other, "security.capability") == capability


def test_access_lists_move_with_their_users(data: Path) -> None:
    def entries(number: int) -> bytes:
        found = ((1, 6, -1), (2, 6, number), (4, 4, -1), (16, 6, -1), (32, 0, -1))
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in found)

    (data / "file").touch()
    try:
        os.setxattr(data / "file", "system.posix_acl_access", entries(1000))
    except OSError:
        pytest.skip("needs a file system with access lists")
    os.setxattr(data, "system.posix_acl_default", entries(1000))
    moved(data)
    assert os.getxattr(data / "file", "system.posix_acl_access") == entries(BASE + 1000)
    assert os.getxattr(data, "system.posix_acl_default") == entries(BASE + 1000)


def test_a_mount_point_is_not_entered(data: Path) -> None:
    inner = data / "inner"
    inner.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", inner], check=True)
    try:
        (inner / "file").touch()
        found = moved(data)
        assert (found.moved, found.left) == (1, (str(inner),))
        assert owners(data)["inner/file"] == (0, 0)
    finally:
        subprocess.run(["umount", inner], check=True)


def test_a_file_that_is_mounted_is_left_alone(data: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (data / "file").touch()
    subprocess.run(["mount", "--bind", tmp_path / "elsewhere", data / "file"], check=True)
    try:
        found = moved(data)
        assert (found.moved, found.left) == (1, (str(data / "file"),))
        assert (tmp_path / "elsewhere").stat().st_uid == 0
    finally:
        subprocess.run(["umount", data / "file"], check=True)


def test_a_single_file_can_be_a_source(data: Path) -> None:
    (data / "conf").touch()
    found = shift_tree(data.parents[1], "web/data/conf", THERE)
    assert found == Shifted(moved=1)
    assert owners(data) == {".": (0, 0), "conf": (BASE, BASE)}


def test_a_link_in_place_of_the_source_is_refused(data: Path, tmp_path: Path) -> None:
    (data / "link").symlink_to(tmp_path)
    for relative in ("web/data/link", "web/data/link/dv"):
        with pytest.raises(HostError, match="data/link: should be a directory, not a symbolic link"):
            shift_tree(data.parents[1], relative, THERE)
    assert tmp_path.stat().st_uid == 0


def test_nothing_is_nothing(data: Path) -> None:
    assert shift_tree(data.parents[1], "web/never", THERE) is None
    assert shift_tree(data.parents[1], "never/data", THERE) is None


def test_what_cannot_be_moved_is_named(data: Path) -> None:
    (data / "fixed").touch()
    if subprocess.run(["chattr", "+i", data / "fixed"], check=False, capture_output=True).returncode:
        pytest.skip("needs a file system with immutable files")
    try:
        with pytest.raises(HostError, match="data/fixed: its owner cannot be moved: Operation not permitted"):
            moved(data)
    finally:
        subprocess.run(["chattr", "-i", data / "fixed"], check=True)


def test_a_tree_that_is_too_deep_is_named(data: Path) -> None:
    at = os.open(data, os.O_RDONLY)
    for _ in range(210):
        os.mkdir("d", dir_fd=at)
        inner = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    with pytest.raises(HostError, match="should not be deeper than 200 directories"):
        moved(data)

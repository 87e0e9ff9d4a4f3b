from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.volumes.directories import ensure_directory, filesystem_id


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "dv"
    made.mkdir()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_missing_is_made_whatever_the_umask(root: Path) -> None:
    old = os.umask(0o077)
    try:
        made = ensure_directory(root, "web/data/cache", mode=0o1770)
    finally:
        os.umask(old)
    assert made == root / "web/data/cache"
    assert (mode(root / "web"), mode(root / "web/data"), mode(made)) == (0o755, 0o755, 0o1770)


def test_what_is_there_keeps_its_mode_and_contents(root: Path) -> None:
    (root / "web").mkdir(mode=0o700)
    (root / "web/file").write_text("x")
    assert ensure_directory(root, "web") == root / "web"
    assert mode(root / "web") == 0o700
    assert (root / "web/file").read_text() == "x"


@pytest.mark.usefixtures("as_root")
def test_the_owner_is_given_to_the_new_directory_alone(root: Path) -> None:
    made = ensure_directory(root, "web/data", owner=(1234, 4321))
    assert (made.stat().st_uid, made.stat().st_gid) == (1234, 4321)
    assert made.parent.stat().st_uid == 0


def test_the_root_may_be_missing_or_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert ensure_directory(tmp_path / "link", "a").is_dir()
    assert ensure_directory(tmp_path / "new" / "dv", "a").is_dir()


def test_a_link_below_the_root_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "web").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError, match="dv/web: should be a directory, not a symbolic link"):
        ensure_directory(root, "web/data")
    with pytest.raises(HostError, match="dv/web: should be a directory, not a symbolic link"):
        ensure_directory(root, "web")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_in_the_way_is_named(root: Path) -> None:
    (root / "web").touch()
    with pytest.raises(HostError, match="dv/web: should be a directory, not a file"):
        ensure_directory(root, "web/data")


def test_a_root_that_is_a_file_is_named(root: Path) -> None:
    (root / "file").touch()
    with pytest.raises(HostError, match="file: should be a directory that can be written"):
        ensure_directory(root / "file", "web")


@pytest.mark.parametrize("relative", ["", ".", "/etc", "..", "web/../..", "a\0b"])
def test_a_path_that_is_not_below_the_root_is_refused(root: Path, relative: str) -> None:
    with pytest.raises(HostError, match="should be a path below"):
        ensure_directory(root, relative)


def test_no_open_file_is_left(root: Path) -> None:
    (root / "file").touch()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are counted
    for _ in range(3):
        ensure_directory(root, "a/b/c")
        with pytest.raises(HostError):
            ensure_directory(root, "a/b/../../file")
        with pytest.raises(HostError):
            ensure_directory(root, "file/x")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_file_system_keeps_its_id(root: Path) -> None:
    first = filesystem_id(root)
    (root / "new").mkdir()
    assert filesystem_id(root / "new") == filesystem_id(root) == first


@pytest.mark.usefixtures("as_root")
def test_an_unmounted_disk_has_another_id(tmp_path: Path, small_disk: Path) -> None:
    assert filesystem_id(small_disk) != filesystem_id(tmp_path)


def test_file_systems_without_an_id_are_told_apart() -> None:
    assert filesystem_id(Path("/proc")) != filesystem_id(Path("/sys"))


def test_a_missing_directory_has_no_file_system(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="nothing: its file system cannot be told: No such file"):
        filesystem_id(tmp_path / "nothing")

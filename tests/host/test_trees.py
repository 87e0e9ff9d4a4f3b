"""Trees are opened and walked by descriptors: nothing in them leads out of them."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.trees import MAX_DEPTH, InTheWayError, TreeEntry, holding, open_beneath, open_directory, walk


@pytest.fixture
def top(tmp_path: Path) -> Path:
    made = tmp_path / "top"
    for name in ("b/inner/leaf", "a", "c"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(name)
    return made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    made = tmp_path / "elsewhere"
    made.mkdir()
    (made / "secret").write_text("secret")
    return made


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are counted


def paths(top: Path, *, bottom_up: bool = False, mounts: bool = True) -> list[str]:
    with holding(open_directory(top)) as at:
        return [entry.path for entry in walk(at, top, bottom_up=bottom_up, mounts=mounts)]


def test_a_walk_is_in_the_order_of_names_and_leaves_nothing_open(top: Path) -> None:
    before = open_files()
    assert paths(top) == ["a", "b", "b/inner", "b/inner/leaf", "c"]
    assert paths(top, bottom_up=True) == ["a", "b/inner/leaf", "b/inner", "b", "c"]
    assert open_files() == before


def test_a_walk_that_is_given_up_leaves_nothing_open(top: Path) -> None:
    before = open_files()
    with holding(open_directory(top)) as at, closing(walk(at, top)) as entries:
        assert any(entry.path == "b/inner/leaf" for entry in entries)
    assert open_files() == before


def test_links_fifos_and_devices_are_named_and_never_opened(top: Path, elsewhere: Path) -> None:
    (top / "b/link").symlink_to(elsewhere)
    os.mkfifo(top / "b/fifo")
    with holding(open_directory(top)) as at:
        found = {entry.path: entry.leads_to() if entry.name == "link" else "" for entry in walk(at, top)}
    assert found["b/link"] == str(elsewhere)
    assert "b/fifo" in found
    assert not any("secret" in path for path in found)


@pytest.mark.parametrize("bottom_up", [False, True])
def test_a_directory_that_becomes_a_link_is_not_followed(top: Path, elsewhere: Path, *, bottom_up: bool) -> None:
    seen = []
    with holding(open_directory(top)) as at:
        for entry in walk(at, top, bottom_up=bottom_up):
            seen.append(entry.path)
            if entry.path == "a":
                (top / "b").rename(top / "moved")
                (top / "b").symlink_to(elsewhere)
    assert seen == ["a", "b", "c"]


def test_what_vanishes_meanwhile_is_left_out(top: Path) -> None:
    seen = []
    with holding(open_directory(top)) as at:
        for entry in walk(at, top):
            seen.append(entry.path)
            if entry.path == "b":
                (top / "b/inner").rename(top / "b/later")
                (top / "c").unlink()
    assert seen == ["a", "b", "b/later", "b/later/leaf"]


def test_names_can_be_skipped(top: Path) -> None:
    with holding(open_directory(top)) as at:
        assert [entry.path for entry in walk(at, top, skip=lambda name: name == "b")] == ["a", "c"]


@pytest.mark.usefixtures("as_root")
def test_a_mount_point_is_entered_only_where_that_is_wanted(top: Path, elsewhere: Path) -> None:
    subprocess.run(["mount", "--bind", elsewhere, top / "b"], check=True)
    try:
        assert paths(top) == ["a", "b", "b/secret", "c"]
        assert paths(top, mounts=False) == ["a", "b", "c"]
        assert paths(top, mounts=False, bottom_up=True) == ["a", "b", "c"]
    finally:
        subprocess.run(["umount", top / "b"], check=True)


def test_a_tree_that_is_too_deep_is_refused_or_reported(tmp_path: Path) -> None:
    at = os.open(tmp_path, os.O_RDONLY)
    for _ in range(MAX_DEPTH + 2):
        os.mkdir("d", dir_fd=at)
        inner = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    before = open_files()
    with pytest.raises(HostError, match=f"d/d/d: should not be deeper than {MAX_DEPTH} directories"):
        paths(tmp_path)
    told: list[tuple[str, str]] = []
    with holding(open_directory(tmp_path)) as at:
        found: list[TreeEntry] = list(walk(at, tmp_path, unread=lambda path, why: told.append((path, why))))
    assert len(found) == MAX_DEPTH + 1
    assert [path.count("/") for path, _ in told] == [MAX_DEPTH]
    assert open_files() == before


def test_a_directory_that_may_not_be_read_is_named(top: Path) -> None:
    (top / "b").chmod(0)
    own = os.geteuid()
    with holding(open_directory(top)) as at:
        if own == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(HostError, match="top/b: cannot be read: Permission denied"):
                list(walk(at, top))
        finally:
            os.seteuid(own)


def test_a_path_is_opened_through_no_link_but_the_root(top: Path, elsewhere: Path) -> None:
    root = top.with_name("root")
    root.symlink_to(top)
    with holding(open_beneath(root, ("b", "inner"))) as at:
        assert os.listdir(at) == ["leaf"]  # noqa: PTH208 - of the directory that is open
        with holding(open_beneath(at, ())) as same:
            assert os.path.sameopenfile(at, same)
    (top / "b/link").symlink_to(elsewhere)
    before = open_files()
    with pytest.raises(InTheWayError, match="root/b/link: should be a directory, not a symbolic link") as caught:
        open_beneath(root, ("b", "link", "secret"))
    assert (caught.value.is_link, caught.value.path) == (True, root / "b/link")
    with pytest.raises(InTheWayError, match="root/a: should be a directory, not a file"):
        open_beneath(root, ("a", "x"))
    with pytest.raises(InTheWayError, match="should not lead up again"):
        open_beneath(root, ("b", "..", "..", "elsewhere"))
    with pytest.raises(FileNotFoundError) as missing:
        open_beneath(root, ("b", "never", "x"))
    assert missing.value.filename == str(root / "b/never")
    assert open_files() == before


def test_what_is_missing_on_the_way_is_made(top: Path) -> None:
    made = []

    def make(at: int, name: str) -> None:
        made.append(name)
        os.mkdir(name, dir_fd=at)

    os.close(open_beneath(top, ("b", "new", "newer"), make=make))
    assert made == ["new", "newer"]
    assert (top / "b/new/newer").is_dir()

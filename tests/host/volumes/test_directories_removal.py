from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.volumes.directories import remove_tree
from tests.host.trees import grow


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    made.mkdir()
    return made


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_in_a_tree_is_removed(tree: Path, seed: int) -> None:
    grow(tree, seed=seed)
    remove_tree(tree)
    assert not tree.exists()


def test_what_is_missing_is_no_error(tree: Path) -> None:
    remove_tree(tree / "nothing")
    remove_tree(tree / "nothing" / "below")


def test_a_file_and_a_link_are_removed_and_the_links_target_is_not(tree: Path) -> None:
    (tree / "file").write_text("x")
    (tree / "link").symlink_to(tree)
    remove_tree(tree / "link")
    remove_tree(tree / "file")
    assert list(tree.iterdir()) == []


def test_links_in_a_tree_are_not_followed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    (tree / "link").symlink_to(tmp_path / "precious")
    (tree / "absolute").symlink_to("/")
    remove_tree(tree)
    assert (tmp_path / "precious/file").exists()


def test_a_tree_deeper_than_a_path_can_be_long_is_removed(tree: Path) -> None:
    at = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deeper", dir_fd=at)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    remove_tree(tree)
    assert not tree.exists()


def test_directories_without_any_permission_are_removed(tree: Path) -> None:
    (tree / "closed/inner").mkdir(parents=True)
    (tree / "closed/inner/file").write_text("x")
    (tree / "read-only").mkdir()
    (tree / "read-only/file").write_text("x")
    (tree / "closed/inner").chmod(0)
    (tree / "closed").chmod(0)
    (tree / "read-only").chmod(0o555)
    tree.chmod(0o500)
    remove_tree(tree)
    assert not tree.exists()


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("deep", ["mounted", "with space/mounted"])
def test_nothing_is_removed_where_something_is_mounted(tree: Path, tmp_path: Path, deep: str) -> None:
    (tree / "file").write_text("x")
    (tree / deep).mkdir(parents=True)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    # A bind mount of the same file system: its device number tells nothing.
    subprocess.run(["mount", "--bind", tmp_path / "precious", tree / deep], check=True)
    try:
        with pytest.raises(HostError, match=f"should have nothing mounted in it to be removed, and has .*{deep}"):
            remove_tree(tree)
        with pytest.raises(HostError, match="should have nothing mounted in it"):
            remove_tree(tree / deep)
        assert (tree / "file").exists()
        assert (tmp_path / "precious/file").exists()
    finally:
        subprocess.run(["umount", tree / deep], check=True)
    remove_tree(tree)
    assert (tmp_path / "precious/file").exists()


@pytest.mark.usefixtures("as_root")
def test_a_mount_that_appears_meanwhile_is_not_crossed(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "inner/mounted").mkdir(parents=True)
    (tree / "inner/file").write_text("x")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    monkeypatch.setattr("kharness.host.volumes.directories.mounts_below", lambda _path: ())
    subprocess.run(["mount", "--bind", tmp_path / "precious", tree / "inner/mounted"], check=True)
    try:
        with pytest.raises(HostError, match=r"inner/mounted: should not be a mount point to be removed$"):
            remove_tree(tree)
    finally:
        subprocess.run(["umount", tree / "inner/mounted"], check=True)
    assert not (tree / "inner/file").exists()
    assert (tmp_path / "precious/file").exists()


@pytest.mark.usefixtures("as_root")
def test_what_cannot_be_removed_is_named_and_the_rest_is_gone(tree: Path) -> None:
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/b/kept").write_text("x")
    (tree / "a/other").write_text("x")
    if subprocess.run(["chattr", "+i", tree / "a/b/kept"], check=False).returncode:
        pytest.skip("needs a file system with immutable files")
    try:
        with pytest.raises(HostError, match=r"tree/a/b/kept: cannot be removed: Operation not permitted$"):
            remove_tree(tree)
    finally:
        subprocess.run(["chattr", "-i", tree / "a/b/kept"], check=True)
    assert sorted(path.name for path in tree.rglob("*")) == ["a", "b", "kept"]


def test_what_is_written_meanwhile_is_removed_too(tree: Path) -> None:
    for number in range(20):
        (tree / f"{number}").mkdir()
    done = threading.Event()

    def write() -> None:
        for number in range(400):
            try:
                (tree / f"{number % 20}" / f"late-{number}").touch()
            except FileNotFoundError:
                continue
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    remove_tree(tree)
    writer.join()
    assert done.is_set()
    assert not tree.exists()


def test_two_at_once_do_not_disturb_each_other(tree: Path) -> None:
    for number in range(50):
        (tree / f"{number}/a/b").mkdir(parents=True)
        (tree / f"{number}/a/b/file").touch()
    problems: list[Exception] = []

    def remove() -> None:
        try:
            remove_tree(tree)
        except HostError as error:
            problems.append(error)

    threads = [threading.Thread(target=remove) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not tree.exists()
    assert problems == []

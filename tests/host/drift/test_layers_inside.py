"""What is removed in a container is removed there and nowhere else; a process with a root of its own stands for one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.drift.layers import Inside, inside

pytestmark = pytest.mark.usefixtures("as_root")
FILE, DIRECTORY, LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK


PIVOT = 'mount --bind "$1" "$1" && cd "$1" && mkdir old && pivot_root . old && echo ready && read -r _'


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Inside]:
    """A process whose whole file system is `tmp_path`, whatever that is a mount of."""
    command = ["unshare", "--mount", "sh", "-c", PIVOT, "sh", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (tmp_path / "old").rmdir()
        with inside(process.pid) as found:
            yield found
        process.stdin.close()


def test_a_file_a_link_and_an_empty_directory_are_removed(root: Inside, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").write_text("x")
    (tmp_path / "dir").mkdir()
    (tmp_path / "above").mkdir()
    (tmp_path / "above/file").write_text("x")
    assert [root.remove(path, kind) for path, kind in
            (("/file", FILE), ("/link", LINK), ("/dir", DIRECTORY), ("/gone", FILE), ("/above/file", FILE),
             ("/above", DIRECTORY))] == [""] * 6  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_an_entry_that_was_replaced_stays(root: Inside, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/inner").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "dir")
    assert root.remove("/dir", FILE) == "it has become something else"
    assert root.remove("/dir", DIRECTORY) == "Directory not empty"
    assert root.remove("/link/inner", FILE) == "Not a directory"
    assert root.remove("/dir/../dir/inner", FILE) == "'..' is not followed"
    assert (tmp_path / "dir/inner").exists()


def test_a_mount_over_a_directory_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "mounted"], check=True)
    try:
        (tmp_path / "mounted/x").write_text("x")
        with inside(os.getpid()) as ours:
            assert ours.remove(str(tmp_path / "mounted/x"), FILE) == "something else is mounted over it"
        assert (tmp_path / "mounted/x").exists()
    finally:
        subprocess.run(["umount", tmp_path / "mounted"], check=True)


def test_the_root_of_a_chrooted_process_is_refused(tmp_path: Path) -> None:
    code = f"import os, sys; os.chroot({str(tmp_path)!r}); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(HostError, match="should be the container's own root, not /"), inside(process.pid):
            pass
    with pytest.raises(HostError, match="cannot be entered: No such file"), inside(process.pid):
        pass

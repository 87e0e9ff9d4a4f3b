"""What is removed in a container is removed there and nowhere else; this process stands for one in a container."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.inside import Inside, inside

pytestmark = pytest.mark.usefixtures("as_root")
FILE, DIRECTORY, LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK


@pytest.fixture
def root() -> Iterator[Inside]:
    with inside(os.getpid()) as found:
        yield found


def test_a_file_a_link_and_an_empty_directory_are_removed(root: Inside, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").write_text("x")
    (tmp_path / "dir").mkdir()
    assert [root.remove(str(tmp_path / name), kind) for name, kind in
            (("file", FILE), ("link", LINK), ("dir", DIRECTORY), ("gone", FILE))] == [""] * 4  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_is_not_what_was_seen_stays(root: Inside, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/inner").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "dir")
    assert root.remove(str(tmp_path / "dir"), FILE) == "it is something else by now"
    assert root.remove(str(tmp_path / "dir"), DIRECTORY) == "Directory not empty"
    assert root.remove(str(tmp_path / "link/inner"), FILE) == "Not a directory"
    assert root.remove(f"{tmp_path}/dir/../dir/inner", FILE) == "'..' is not followed"
    assert (tmp_path / "dir/inner").exists()


def test_what_is_mounted_over_a_directory_is_not_entered(root: Inside, tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "mounted"], check=True)
    try:
        (tmp_path / "mounted/x").write_text("x")
        assert root.remove(str(tmp_path / "mounted/x"), FILE) == "something else is mounted over it"
        assert (tmp_path / "mounted/x").exists()
    finally:
        subprocess.run(["umount", tmp_path / "mounted"], check=True)


def test_a_root_that_a_process_made_itself_is_not_taken_for_the_container_s(tmp_path: Path) -> None:
    code = f"import os, sys; os.chroot({str(tmp_path)!r}); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(HostError, match="should be the container's own root, not /"), inside(process.pid):
            pass
    with pytest.raises(HostError, match="cannot be entered: No such file"), inside(process.pid):
        pass

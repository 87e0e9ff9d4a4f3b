"""Evidence is complete, stays what it was, and is for its owner alone."""

from __future__ import annotations

import os
import socket
import stat
import tarfile
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.drift.forensics import archive_layer, keep_text, make_store


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    made = tmp_path / "upper"
    (made / "d").mkdir(parents=True)
    (made / "d/file").write_bytes(b"content")
    (made / "d/file").chmod(0o6755)
    (made / os.fsdecode(b"odd\xff\n")).write_bytes(b"")
    (made / "link").symlink_to("/etc/passwd")
    os.mkfifo(made / "fifo")
    return made


def test_everything_in_a_layer_is_kept_with_its_attributes(tmp_path: Path, upper: Path) -> None:
    target = tmp_path / "changed.tar"
    assert archive_layer(str(upper), target) == 5
    with tarfile.open(target) as archive:
        found = {member.name: member for member in archive}
        content = archive.extractfile("d/file")
        assert content is not None
        assert content.read() == b"content"
    assert set(found) == {"d", "d/file", "odd\udcff\n", "link", "fifo"}
    assert (found["d/file"].mode, found["link"].linkname, found["fifo"].isfifo()) == (0o6755, "/etc/passwd", True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_socket_is_left_out_because_no_archive_has_one(tmp_path: Path, upper: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(upper / "socket"))
        assert archive_layer(str(upper), tmp_path / "changed.tar") == 5


def test_a_layer_that_would_fill_the_disk_is_refused(tmp_path: Path, upper: Path) -> None:
    with (upper / "huge").open("wb") as file:
        file.truncate(1 << 43)
    with pytest.raises(HostError, match=r"changed.tar: the changed files have 8.8 TB, and only .* are free"):
        archive_layer(str(upper), tmp_path / "changed.tar")
    assert not (tmp_path / "changed.tar").exists()


def test_a_store_is_for_its_owner_and_made_once(tmp_path: Path) -> None:
    store = tmp_path / "evidence" / "web-1"
    make_store(store)
    keep_text(store / "logs.txt", "odd \udcff")
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert stat.S_IMODE((store / "logs.txt").stat().st_mode) == 0o600
    assert (store / "logs.txt").read_bytes() == b"odd \xff"
    with pytest.raises(HostError, match="web-1: cannot be made: File exists"):
        make_store(store)
    with pytest.raises(HostError, match="cannot be written"):
        keep_text(tmp_path / "gone" / "x", "")

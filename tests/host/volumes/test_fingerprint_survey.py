"""A tree is counted before it is copied."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.volumes.fingerprint import Survey, first_channel, refuse_full_disk, refuse_sockets, survey


def test_entries_and_disk_blocks_are_counted_and_several_names_of_a_file_once(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/file").write_bytes(b"x" * 5000)
    os.link(tmp_path / "inner/file", tmp_path / "again")
    (tmp_path / "link").symlink_to("/")
    found = survey(tmp_path)
    assert (found.entries, found.bytes) == (4, 4096 + 8192)


def test_a_single_file_is_a_tree_of_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    found = survey(tmp_path / "file")
    assert (found.entries, found.bytes) == (1, 4096)


def test_sockets_are_found_and_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "inner/s"))
    found = survey(tmp_path)
    assert found.sockets == [f"{tmp_path}/inner/s"]
    assert first_channel(tmp_path) == tmp_path / "inner/s"
    with pytest.raises(HostError, match=r"should hold no sockets to be copied, not .*/inner/s; keep them on a tmpfs"):
        refuse_sockets(found.sockets, tmp_path)
    refuse_sockets((), tmp_path)


def test_a_link_to_a_fifo_is_no_channel(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "outside")
    (tmp_path / "top").mkdir()
    (tmp_path / "top/link").symlink_to(tmp_path / "outside")
    assert first_channel(tmp_path / "top") is None
    assert first_channel(tmp_path / "never") is None


def test_a_copy_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"a copy of .* needs .*, and only .* are free"):
        refuse_full_disk(Survey(entries=1, bytes=1 << 60), tmp_path, tmp_path)
    refuse_full_disk(Survey(entries=1, bytes=1), tmp_path, tmp_path)

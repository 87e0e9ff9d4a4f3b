"""What was written is there under its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.host.durable import rename, sync_directory, sync_filesystem, write_text


def test_a_small_file_is_written_and_renamed_between_directories(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    write_text(tmp_path / "file", "é")
    rename(tmp_path / "file", tmp_path / "to/file")
    assert (tmp_path / "to/file").read_text(encoding="utf-8") == "é"
    assert not (tmp_path / "file").exists()


def test_what_cannot_be_synced_is_an_error(tmp_path: Path) -> None:
    sync_filesystem(tmp_path)
    sync_directory(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "never")
    with pytest.raises(FileNotFoundError):
        sync_filesystem(tmp_path / "never")

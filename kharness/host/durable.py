"""Write to the disk before anything depends on it: sync, rename, and small files."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def sync_filesystem(path: Path) -> None:
    """Write out the file system that a directory is on (syncfs(2)), not the whole machine's. Raises OSError."""
    at = os.open(path, _DIRECTORY)
    try:
        # Python has no name for it.
        if ctypes.CDLL(None, use_errno=True).syncfs(at):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(at)


def rename(old: Path, new: Path) -> None:
    """Rename, and return when that has reached the disk. Raises OSError."""
    old.rename(new)
    for directory in {old.parent, new.parent}:
        sync_directory(directory)


def sync_directory(path: Path) -> None:
    """Write out a directory's own entries. Raises OSError."""
    at = os.open(path, _DIRECTORY)
    try:
        os.fsync(at)
    finally:
        os.close(at)


def write_text(path: Path, text: str) -> None:
    """Write a small file, and return when it has reached the disk. Raises OSError."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())

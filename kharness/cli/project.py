"""The project that a command is called in."""

from __future__ import annotations

from pathlib import Path


def project_of(directory: Path) -> Path | None:
    """Return the nearest folder above whose `pyproject.toml` has a `[tool.kharness]` table."""
    for folder in (directory, *directory.parents):
        path = folder / "pyproject.toml"
        if path.is_file() and b"[tool.kharness" in path.read_bytes():
            return folder
    return None

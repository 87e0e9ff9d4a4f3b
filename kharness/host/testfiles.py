"""The files of a container directory that pytest would look into."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path

NO_TESTS = frozenset({"files", "private.d"})
"""Folders of a container directory whose contents go into the image; tests there are the image's business."""
PATTERNS = ("test_*.py", "*_test.py")
"""What pytest takes for tests where nothing else is said (python_files)."""


def files_of_tests(directory: Path, patterns: Sequence[str] = PATTERNS) -> frozenset[Path]:
    """Return the test files that a complete session of this directory would collect."""
    return frozenset(
        path
        for path in _files(directory, skip=NO_TESTS)
        if path.suffix == ".py" and any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)
    )


def _files(directory: Path, *, skip: frozenset[str]) -> Iterator[Path]:
    for entry in sorted(directory.iterdir()):
        if entry.is_dir():
            if not entry.name.startswith(".") and entry.name not in {*skip, "__pycache__"}:
                yield from _files(entry, skip=frozenset())
        else:
            yield entry

"""The ends of files that something still writes to."""

from __future__ import annotations

import os
from pathlib import Path

WINDOW = 8 << 10
"""So many bytes at a file's end are looked at."""


def last_lines(path: Path, count: int) -> tuple[str, ...]:
    """Return the last lines that are not empty; none where the file cannot be read, or has none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - WINDOW))
            text = file.read(WINDOW).decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(line.rstrip() for line in text.splitlines() if line.strip())[-count:]

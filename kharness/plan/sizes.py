"""Sizes as people read them."""

from __future__ import annotations

STEP = 1000


def size_text(number: float) -> str:
    """Return a number of bytes in decimal units, as disks are sold: `512 bytes`, `1.5 MB`."""
    if number < STEP:
        return f"{number:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        number /= STEP
        if number < STEP:
            return f"{number:.1f} {unit}"
    return f"{number / STEP:.1f} TB"

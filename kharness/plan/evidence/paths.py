"""Where paths lie in relation to each other."""

from __future__ import annotations


def is_within(path: str, above: str) -> bool:
    """Whether an absolute, normal path is `above`, or below it."""
    return path == above or path.startswith(f"{above.rstrip('/')}/")

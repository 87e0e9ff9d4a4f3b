"""Which commit a container directory is at, for the ledger."""

from __future__ import annotations

import subprocess
from pathlib import Path

TIMEOUT = 10.0


def commit_of(directory: Path) -> str:
    """Return the commit, with `+` when the directory differs from it; empty outside a git checkout."""
    head = _git(directory, "rev-parse", "--short=12", "HEAD")
    if not head:
        return ""
    return head + ("+" if _git(directory, "status", "--porcelain", "--", ".") else "")


def _git(directory: Path, *args: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            ["git", "-C", str(directory), *args],  # noqa: S607 - git from the path, as the user has it
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

"""Whether there is room for images, volumes and what is remembered."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from kharness.errors import HostError
from kharness.host.kernel import room
from kharness.ops.finding import Finding
from kharness.plan.room import why_too_little

ENGINE, VOLUMES, STATE = "the engine", "volumes", "state"


def disk_findings(places: Mapping[str, Path]) -> Iterator[Finding]:
    """Say how much room there is; places of one file system are one line. What cannot be seen is left out."""
    found: dict[int, list[str]] = {}
    paths: dict[int, Path] = {}
    for what, path in places.items():
        there = existing(path)
        try:
            device = os.stat(there).st_dev  # noqa: PTH116 - beside statvfs
        except OSError:
            continue
        found.setdefault(device, []).append(what)
        paths.setdefault(device, there)
    for device, whose in found.items():
        yield _judged(paths[device], whose)


def existing(path: Path) -> Path:
    """Return the path, or what is there of it."""
    return path if path.exists() or path == path.parent else existing(path.parent)


def _judged(path: Path, whose: list[str]) -> Finding:
    try:
        left = room(path)
    except HostError as error:
        return Finding("disk", str(error), good=False, mend=f"ls -ld {path}")
    said = f"of {', '.join(whose)}: {left} in {path}"
    reasons = why_too_little(left)
    # Old images are what can go first.
    mend = "kharness prune" if ENGINE in whose else f"du -xh --max-depth=1 {path} | sort -h"
    return Finding("disk", "; ".join((said, *reasons)), good=not reasons, mend=mend if reasons else "")

"""What the kernel says of this host: its routes, its disks, its clock."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from kharness.errors import HostError
from kharness.plan.room import Room
from kharness.plan.routes import Route, routes_of

ROUTES = Path("/proc/net/route")
TIME_ERROR = 5
"""What adjtimex(2) returns while nothing keeps the clock right."""
TIMEX = 512
"""More bytes than its structure has on any machine."""


def routes() -> tuple[Route, ...]:
    """Return the IPv4 routes of this network namespace; raises `HostError`."""
    try:
        return routes_of(ROUTES.read_text(encoding="ascii"))
    except OSError as error:
        raise HostError(f"{ROUTES}: cannot be read: {error.strerror}") from error


def room(path: Path) -> Room:
    """Return what the path's file system has left for this user; raises `HostError`."""
    try:
        found = os.statvfs(path)
    except OSError as error:
        raise HostError(f"{path}: cannot be looked at: {error.strerror}") from error
    unit = found.f_frsize
    return Room(
        size=found.f_blocks * unit, free=found.f_bavail * unit, inodes=found.f_files, inodes_free=found.f_favail
    )


def is_clock_kept() -> bool | None:
    """Whether something keeps the clock right, as the kernel knows it; None where it cannot be asked."""
    try:
        # Without a mode nothing is set.
        answer = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else answer != TIME_ERROR

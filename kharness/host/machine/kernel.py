"""What the kernel says of this host: what is mounted, what room disks have, routes, the clock."""

from __future__ import annotations

import ctypes
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kharness.errors import HostError
from kharness.plan.session.networks import Route, routes_of
from kharness.plan.volumes.copying import Room

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
        raise HostError(f"{path}: its file system cannot be inspected: {error.strerror}") from error
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """One mount: `root`, a path in the file system of `device` (`major:minor`), is seen at `place`."""

    device: str
    root: PurePosixPath
    place: PurePosixPath
    writable: bool
    kind: str
    source: str
    options: tuple[str, ...] = ()
    """Those of the file system, such as an overlay's directories, as they were given to mount(2)."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a path's content is, under any name: a file system's device, and the path in there."""

    device: str
    path: PurePosixPath

    def meets(self, other: Location) -> bool:
        """Whether the one is, contains or is contained in the other."""
        same = self.device == other.device
        return same and (self.path.is_relative_to(other.path) or other.path.is_relative_to(self.path))


def read_mounts(process: int | str = "self") -> tuple[Mounted, ...]:
    """Return the mounts that a process sees, later ones over earlier ones; OSError where that may not be known."""
    return parse_mounts(Path(f"/proc/{process}/mountinfo").read_bytes())


def root_mount(process: int) -> Mounted | None:
    """Return what is mounted at the root of a process, None where that cannot be seen."""
    try:
        found = read_mounts(process)
    except OSError:
        return None
    return next((mounted for mounted in reversed(found) if mounted.place == PurePosixPath("/")), None)


def parse_mounts(text: bytes) -> tuple[Mounted, ...]:
    """Read the lines: id parent major:minor root place options [tags] - type source options."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(b" - ")
        _, _, device, root, place, options, *_ = before.split(b" ")
        kind, source, *rest = after.split(b" ")
        found.append(
            Mounted(
                device=device.decode(),
                root=_path(root),
                place=_path(place),
                writable=b"rw" in options.split(b","),
                kind=kind.decode(),
                source=os.fsdecode(_unescape(source)),
                options=tuple(os.fsdecode(_unescape(option)) for option in b" ".join(rest).split(b",") if option),
            )
        )
    return tuple(found)


def mounts_below(path: Path) -> tuple[Mounted, ...]:
    """Return what is mounted at a path or below it; no link may be in the path."""
    return tuple(mounted for mounted in read_mounts() if mounted.place.is_relative_to(path))


def locate(path: Path, mounts: tuple[Mounted, ...]) -> Location:
    """Return where the content of an existing path is; `HostError` when no mount has it."""
    real = PurePosixPath(os.path.realpath(path))
    above = [mounted for mounted in mounts if real.is_relative_to(mounted.place)]
    if not above:
        raise HostError(f"{path}: should be on a file system that is mounted")
    # The last one of the deepest place hides the others.
    top = max(reversed(above), key=lambda mounted: len(mounted.place.parts))
    return Location(top.device, top.root / real.relative_to(top.place))


def _path(field: bytes) -> PurePosixPath:
    return PurePosixPath(os.fsdecode(_unescape(field)))


def _unescape(field: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), field)

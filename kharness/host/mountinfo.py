"""What is mounted, as a process sees it: the lines of /proc/PID/mountinfo, see proc(5)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kharness.errors import HostError


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """One mount: `root`, a path in the file system of `device` (`major:minor`), is seen at `place`."""

    device: str
    root: PurePosixPath
    place: PurePosixPath
    writable: bool
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Location:
    """Where a path's content is, whatever it is called: a file system's device, and the path in there."""

    device: str
    path: PurePosixPath

    def meets(self, other: Location) -> bool:
        """Whether the one is, contains or is contained in the other."""
        same = self.device == other.device
        return same and (self.path.is_relative_to(other.path) or other.path.is_relative_to(self.path))


def read_mounts(process: int | str = "self") -> tuple[Mounted, ...]:
    """Return the mounts that a process sees, later ones over earlier ones; OSError where that may not be known."""
    return parse_mounts(Path(f"/proc/{process}/mountinfo").read_bytes())


def parse_mounts(text: bytes) -> tuple[Mounted, ...]:
    """Read the lines: id parent major:minor root place options [tags] - type source options."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(b" - ")
        _, _, device, root, place, options, *_ = before.split(b" ")
        kind, source, *_ = after.split(b" ")
        found.append(
            Mounted(
                device=device.decode(),
                root=_path(root),
                place=_path(place),
                writable=b"rw" in options.split(b","),
                kind=kind.decode(),
                source=os.fsdecode(_unescape(source)),
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

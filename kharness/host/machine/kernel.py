"""What the kernel says of this host: mounts, disks, routes, the clock; its ports, and sockets of containers.

The sockets are checked up to a hundred times a second. `/proc/PID/net/tcp` would have more, but the kernel walks a
table as large as the machine for it, 5 ms each time. Counting the sockets in use (`/proc/PID/net/sockstat`) takes a
hundredth of that, and the count changes when a service begins to listen.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kharness.errors import HostError
from kharness.plan.session.networks import Route, routes_of
from kharness.plan.volumes.usage import Room

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


TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
WAITS = {"tcp": "0A", "udp": "07"}
"""States of proc(5): a TCP socket that listens, and a UDP socket that is not connected."""
_STATE, _INODE = 3, 9
"""Columns of `/proc/net/tcp`."""


def is_free(address: str, port: int, protocol: str) -> bool:
    """Whether a port could be bound now; what may not be tried, and an address that is not here, counts as free."""
    kind = KINDS.get(protocol)
    if kind is None:
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, kind) as tried:
        if protocol == "tcp":
            # As an engine does that publishes it: connections that have just ended are not in the way.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((address, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def holder(port: int, protocol: str) -> str:
    """Name the process that waits at a port, `nginx (pid 812)`; empty where that cannot be seen."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port, protocol)}
    for process in Path("/proc").glob("[0-9]*") if wanted else ():
        with suppress(OSError):
            if any(_target(f"{process}/fd/{each}") in wanted for each in os.listdir(process / "fd")):  # noqa: PTH208
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"{name} (pid {process.name})"
    return ""


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - there are thousands, and a Path for each is slow
    except OSError:
        return ""


def _inodes(port: int, protocol: str) -> Iterator[str]:
    for table in TABLES.get(protocol, ()):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                here = int(fields[1].rpartition(":")[2], 16) == port
                if here and fields[_STATE] == WAITS[protocol] and fields[_INODE] != "0":
                    yield fields[_INODE]


_IN_USE = re.compile(r"^(\w+): inuse (\d+)", re.MULTILINE)


def in_use(pid: int) -> dict[str, int] | None:
    """Return the number of sockets of each kind in a process's network; None where it cannot be seen, or is our own."""
    process = Path(f"/proc/{pid}")
    try:
        if (process / "ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            return None
        text = (process / "net/sockstat").read_text(encoding="ascii")
        with suppress(FileNotFoundError):  # a kernel without IPv6
            text += (process / "net/sockstat6").read_text(encoding="ascii")
    except OSError:
        return None
    return {kind: int(count) for kind, count in _IN_USE.findall(text)}


NET = Path("sys/class/net")
"""Where a root directory has the interfaces of the namespace that its sysfs was mounted in."""
LARGEST = 16
"""Bytes of a file that has a number."""


def host_interfaces(pid: int, *, root: Path = Path("/")) -> dict[str, str]:
    """Return the interfaces of the process's network that are one end of a pair, each with its other end on this host.

    Raises `HostError` where they cannot be seen: that takes root, and a sysfs in the container.
    """
    place = root / f"proc/{pid}/root" / NET
    here = {number: name for name, number, _ in _interfaces(root / NET)}
    try:
        inside = list(_interfaces(place))
    except OSError as error:
        raise HostError(f"its interfaces cannot be seen: {place}: {error.strerror}") from error
    # One that is linked to itself is no pair; the other end of one may be in another container.
    return {name: here[other] for name, number, other in inside if other != number and other in here}


def _interfaces(place: Path) -> Iterator[tuple[str, int, int]]:
    for interface in sorted(place.iterdir()):
        try:
            yield interface.name, _number(interface / "ifindex"), _number(interface / "iflink")
        except (OSError, ValueError):
            # It went away, or is no interface: bonding(4) has a control file here.
            continue


def _number(file: Path) -> int:
    with file.open("rb") as stream:
        return int(stream.read(LARGEST))

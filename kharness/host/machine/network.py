"""Ports of this host, interfaces that lead into containers (sysfs(5)), and a container's sockets, seen from outside.

The sockets are checked up to a hundred times a second. `/proc/PID/net/tcp` would have more, but the kernel walks a
table as large as the machine for it, 5 ms each time. Counting the sockets in use (`/proc/PID/net/sockstat`) takes a
hundredth of that, and the count changes when a service begins to listen.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kharness.errors import HostError

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

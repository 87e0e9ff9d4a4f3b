"""Which interfaces of this host lead into a container, as sysfs has them; nothing is run in it, sysfs(5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kharness.errors import HostError

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
            # It went away, or is none: what bonding(4) is told by is a file here.
            continue


def _number(file: Path) -> int:
    with file.open("rb") as stream:
        return int(stream.read(LARGEST))

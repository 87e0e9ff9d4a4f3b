"""Which of this host's routes a subnet of containers would take away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network


@dataclass(frozen=True, slots=True)
class Route:
    """Where this host sends packets for a network: by which interface."""

    network: IPv4Network
    interface: str


def routes_of(table: str) -> tuple[Route, ...]:
    """Read /proc/net/route, whose numbers are in this machine's order of bytes; the default route is none of them."""
    found = []
    for line in table.splitlines()[1:]:
        interface, destination, _, _, _, _, _, mask, *_ = line.split()
        address, bits = (int.from_bytes(bytes.fromhex(text)[::-1]) for text in (destination, mask))
        if bits:
            found.append(Route(IPv4Network((address, bits.bit_count())), interface))
    return tuple(found)


def overlapping(subnet: str, routes: Iterable[Route], *, own: Iterable[str] = ()) -> Iterator[Route]:
    """Yield the routes that a subnet overlaps with, but those by interfaces whose names begin with one of `own`."""
    network: IPv4Network | IPv6Network = ip_network(subnet)
    prefixes = tuple(own)
    for route in routes:
        ours = bool(prefixes) and route.interface.startswith(prefixes)
        if not ours and network.version == route.network.version and network.overlaps(route.network):
            yield route

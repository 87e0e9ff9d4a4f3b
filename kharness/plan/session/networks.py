"""Subnets for test networks, out of a pool of our own, and which routes of this host a subnet would hide.

The engine's default pool ends after about thirty networks; a session takes a small subnet and tries another one when
it overlaps with something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice

PREFIX = 26
"""62 addresses: more instances than one session launches side by side."""


def candidate_subnets(pool: str, *, seed: int, tries: int = 32) -> Iterator[str]:
    """Yield up to `tries` different subnets of the pool; sessions with different seeds start at different places."""
    network = IPv4Network(pool)
    width = max(PREFIX, network.prefixlen)
    count = 1 << (width - network.prefixlen)
    size = 1 << (32 - width)
    # An odd stride visits every subnet of the (power of two) pool once, and two sessions part at the second step.
    stride = (seed * 2 + 1) % count | 1
    places = ((seed + step * stride) % count for step in range(count))
    first = int(network.network_address)
    for place in islice(places, tries):
        yield str(IPv4Network((first + place * size, width)))


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

"""Subnets for test networks, out of a pool of our own.

The engine's default pool ends after about thirty networks; a session takes a small subnet and tries another one when
it overlaps with something.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
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

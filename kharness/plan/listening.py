"""Read the kernel's tables of sockets (proc(5), `/proc/net/tcp`, `tcp6`, `udp` and `udp6`)."""

from __future__ import annotations

import sys
from collections.abc import Iterable

LISTEN, UNCONNECTED = "0A", "07"
"""States: a TCP socket that listens, and a UDP socket that anybody may write to."""
_V4, _MAPPED = 8, "0" * 20 + "FFFF"


def listening_ports(tables: Iterable[str], *, state: str = LISTEN) -> frozenset[int]:
    """Return the ports in a state that other hosts can reach: those bound to loopback alone do not count."""
    found = set()
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == state:  # noqa: PLR2004 - the columns up to `st`
                address, _, port = fields[1].partition(":")
                if not _loopback(address):
                    found.add(int(port, 16))
    return frozenset(found)


def _loopback(address: str) -> bool:
    # Addresses are words of 32 bits in the byte order of the machine, each printed as one number. All of 127.0.0.0/8:
    # on networks of its own an engine answers names at 127.0.0.11, inside the container.
    if address.startswith(_swapped(_MAPPED)):
        address = address[-_V4:]
    if len(address) == _V4:
        return _swapped(address).startswith("7F")
    return _swapped(address) == "0" * 31 + "1"


def _swapped(words: str) -> str:
    if sys.byteorder == "big":
        return words
    parts = (words[at : at + _V4] for at in range(0, len(words), _V4))
    return "".join(bytes.fromhex(part)[::-1].hex().upper() for part in parts)

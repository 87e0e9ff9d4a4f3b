"""Read the kernel's tables of TCP sockets (proc(5), `/proc/net/tcp` and `tcp6`)."""

from __future__ import annotations

from collections.abc import Iterable

_LISTEN = "0A"


def listening_ports(tables: Iterable[str]) -> frozenset[int]:
    """Return the TCP ports in state LISTEN that other hosts can reach: those bound to loopback alone do not count."""
    found = set()
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _LISTEN:  # noqa: PLR2004 - the columns up to `st`
                address, _, port = fields[1].partition(":")
                if not _loopback(address):
                    found.add(int(port, 16))
    return frozenset(found)


def _loopback(address: str) -> bool:
    # Addresses are words of 32 bits in the byte order of the machine, each printed as one number.
    return address in {"0100007F", "7F000001", "00000000000000000000000001000000", "00000000000000000000000000000001"}

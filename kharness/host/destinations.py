"""Where a test network may send to: `10.1.2.3`, `10.0.0.0/8:443`, `[2001:db8::1]:25`, `mail.example.org:25`."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Literal

from kharness.errors import HostError

_FORM = re.compile(r"(?:\[(?P<inner>[^\]]+)\]|(?P<plain>[^\[\]:]+))(?::(?P<port>\d+))?")
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """An address or network in CIDR form, a port or None for all, and the name that it was resolved from."""

    network: str
    version: Literal[4, 6]
    port: int | None = None
    name: str | None = None


def resolve(text: str) -> tuple[Destination, ...]:
    """Return what a destination means now; a name gives all its addresses. Raises `HostError`."""
    where, port = _split(text)
    try:
        return (_destination(where, port=port, name=None),)
    except ValueError:
        pass
    if not _NAME.fullmatch(where):
        raise HostError(_should_be(text))
    try:
        found = socket.getaddrinfo(where, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostError(f"{where}: cannot be resolved: {error}") from error
    addresses = dict.fromkeys(str(address[4][0]).partition("%")[0] for address in found)
    return tuple(_destination(address, port=port, name=where) for address in addresses)


def _split(text: str) -> tuple[str, int | None]:
    # A bare IPv6 address has colons of its own.
    if text.count(":") > 1 and not text.startswith("["):
        return text, None
    form = _FORM.fullmatch(text)
    if form is None:
        raise HostError(_should_be(text))
    port = int(form["port"]) if form["port"] else None
    if port is not None and not 0 < port <= _LAST_PORT:
        raise HostError(_should_be(text))
    return form["inner"] or form["plain"], port


def _destination(where: str, *, port: int | None, name: str | None) -> Destination:
    network = ip_interface(where).network
    return Destination(network=str(network), version=network.version, port=port, name=name)


def _should_be(text: str) -> str:
    return f"{text!r}: should be an address, a network or a name, with a port or without, as in 10.0.0.0/8:443"

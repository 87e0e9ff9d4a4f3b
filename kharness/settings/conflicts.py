"""What two containers of one host cannot both have: a published port, a fixed address, a name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import TYPE_CHECKING

from kharness.errors import Problem

if TYPE_CHECKING:
    from kharness.settings.catalog import ContainerDir
    from kharness.settings.model import Settings
    from kharness.settings.ports import Port


def conflicts(all_settings: Mapping[ContainerDir, Settings]) -> tuple[Problem, ...]:
    """Return what production instances would collide on; each conflict is a problem of both files, sorted by file."""
    found: set[Problem] = set()
    for (one, settings), (other, others) in permutations(all_settings.items(), 2):
        if (name := settings.container_name or one.name) == (others.container_name or other.name):
            message = f"should be unique, {name} is also the name of {other.settings_file}"
            found.add(Problem(one.settings_file, "container_name", message))
        for port in _ports(settings, others):
            message = f"should not publish {described(port)}, {other.settings_file} does"
            found.add(Problem(one.settings_file, "ports", message))
        for key, address in _addresses(settings, others):
            message = f"should not be {address}, {other.settings_file} has it"
            found.add(Problem(one.settings_file, key, message))
    return tuple(sorted(found))


def collide(one: Port, other: Port) -> bool:
    """Whether two ports cannot be published on one host together."""
    same = one.published is not None and (one.published, one.protocol) == (other.published, other.protocol)
    return same and _overlap(one.host_ip, other.host_ip)


def described(port: Port) -> str:
    """Show a published port: `127.0.0.1:53/udp`."""
    host = f"[{port.host_ip}]:" if ":" in (port.host_ip or "") else f"{port.host_ip}:" if port.host_ip else ""
    return f"{host}{port.published}/{port.protocol}"


def _overlap(one: str | None, other: str | None) -> bool:
    if one is None or other is None or one == other:
        return True
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    if first.version == second.version:
        return first.is_unspecified or second.is_unspecified
    # A socket on :: takes IPv4 connections too, unless the system says otherwise.
    return any(address.version == 6 and address.is_unspecified for address in (first, second))  # noqa: PLR2004


def _ports(settings: Settings, others: Settings) -> Iterator[Port]:
    return (port for port in settings.ports if any(collide(port, other) for other in others.ports))


def _addresses(settings: Settings, others: Settings) -> Iterator[tuple[str, str]]:
    for name in settings.networks.keys() & others.networks.keys():
        for key in ("ipv4_address", "ipv6_address"):
            address = getattr(settings.networks[name], key)
            if address is not None and address == getattr(others.networks[name], key):
                yield f"networks.{name}.{key}", address

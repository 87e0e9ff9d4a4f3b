"""How a container is joined to networks, finds names, and depends on others."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, TypeAdapter
from pydantic_core import InitErrorDetails, PydanticCustomError

from kharness.settings.section import Section, expected, problem, together, wrong
from kharness.settings.values import Texts, one_or_many

Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]
HOST_GATEWAY = "host-gateway"


def _address_of(version: Literal[4, 6]) -> Any:
    def read(value: Any) -> str:
        try:
            address = ipaddress.ip_address(value if isinstance(value, str) else "")
        except ValueError:
            address = None
        if address is None or address.version != version:
            raise expected(f"an IPv{version} address")
        return str(address)

    return BeforeValidator(read, json_schema_input_type=str)


def _any_address(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(value.strip("[]") if isinstance(value, str) else ""))
    except ValueError:
        raise expected("an IP address") from None


IPv4 = Annotated[str, _address_of(4)]
IPv6 = Annotated[str, _address_of(6)]


def _mac_address(value: Any) -> str:
    text = value.lower().replace("-", ":") if isinstance(value, str) else ""
    if not _MAC.fullmatch(text) or int(text[:2], 16) & 1:
        raise expected("a MAC address of one interface, such as 02:42:c0:00:02:14")
    return text


_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
MacAddress = Annotated[str, BeforeValidator(_mac_address, json_schema_input_type=str)]
IP = Annotated[str, BeforeValidator(_any_address, json_schema_input_type=str)]


class NetworkAttachment(Section):
    """A network that the container joins."""

    place: ClassVar[str] = "networks"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "null"},)

    ipv4_address: IPv4 | None = None
    """A fixed address; the network must have a subnet of its own."""
    ipv6_address: IPv6 | None = None
    """A fixed address; the network must have a subnet of its own."""
    aliases: Texts = ()
    """Further names under which others on the network find it."""
    mac_address: MacAddress | None = None
    """The address of its interface there; engines before 25.0 give one on the first network alone."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        return {} if value is None else value


class Dependency(Section):
    """What a dependency must have reached before this container is started."""

    place: ClassVar[str] = "depends_on"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)

    condition: Condition = "service_started"
    """What it must have reached."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        return {"condition": value} if isinstance(value, str) else value


_DEPENDENCIES = TypeAdapter(Mapping[str, Dependency])


def _networks(value: Any) -> Any:
    return _names(value) if isinstance(value, list | tuple) else value


def _depends_on(value: Any) -> Any:
    if not isinstance(value, Mapping | list | tuple):
        raise expected("a list of container directories, or a mapping of them to conditions")
    found = _DEPENDENCIES.validate_python(_names(value) if isinstance(value, list | tuple) else value)
    return {name: dependency.condition for name, dependency in found.items()}


def _names(items: list[Any] | tuple[Any, ...]) -> dict[str, Any]:
    bad = [problem(expected("a name"), loc=(i,), value=item) for i, item in enumerate(items) if not _is_name(item)]
    if bad:
        raise together(bad)
    return {item: {} for item in items}


def _is_name(item: Any) -> bool:
    return isinstance(item, str) and item != ""


def _extra_hosts(value: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(value, Mapping):
        items = [((name,), name, address) for name, said in value.items() for address in _many(said)]
    elif isinstance(value, list | tuple):
        items = [((index,), *_host(item)) for index, item in enumerate(value)]
    else:
        raise expected("a mapping, or a list of NAME=ADDRESS")
    found: list[tuple[str, str]] = []
    errors: list[InitErrorDetails] = []
    for loc, name, address in items:
        try:
            if not name:
                raise wrong("should be NAME=ADDRESS")
            found.append((name, HOST_GATEWAY if address == HOST_GATEWAY else _any_address(address)))
        except PydanticCustomError as error:
            errors.append(problem(error, loc=loc, value=address))
    if errors:
        raise together(errors)
    return tuple(found)


def _many(said: Any) -> list[Any]:
    return list(said) if isinstance(said, list | tuple) else [said]


def _host(item: Any) -> tuple[str, Any]:
    if isinstance(item, list | tuple) and len(item) == 2:  # noqa: PLR2004 - a pair, as the model itself has it
        return str(item[0]), item[1]
    if not isinstance(item, str):
        return "", item
    name, separator, address = item.partition("=") if "=" in item else item.partition(":")
    return (name, address) if separator else ("", item)


Networks = Annotated[
    Mapping[str, NetworkAttachment],
    BeforeValidator(_networks, json_schema_input_type=list[str] | dict[str, NetworkAttachment]),
]
DependsOn = Annotated[
    Mapping[str, str], BeforeValidator(_depends_on, json_schema_input_type=list[str] | dict[str, Dependency])
]
ExtraHosts = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(_extra_hosts, json_schema_input_type=list[str] | dict[str, str | list[str]]),
]
Addresses = Annotated[tuple[IP, ...], BeforeValidator(one_or_many, json_schema_input_type=str | list[str])]

"""Published and exposed ports, in Compose's short and long forms."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WrapValidator

from kharness.settings.scalars import read_text, written
from kharness.settings.section import Section, each, expected, wrong

Protocol = Literal["tcp", "udp", "sctp"]

HIGHEST = 65535
PUBLISH = "a port, or [HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]"
SHORT = re.compile(
    r"(?:(?:(?P<ip>[0-9.]+|\[[0-9A-Fa-f:.%a-z]*\]):)?(?P<published>[0-9]+(?:-[0-9]+)?)?:)?"
    r"(?P<target>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>\w+))?",
    re.ASCII,
)
EXPOSE = re.compile(r"(?P<target>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>\w+))?", re.ASCII)


def _port(value: Any) -> int:
    text = read_text(value) if not isinstance(value, bool | float) else ""
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= HIGHEST:
        raise expected(f"a port from 1 to {HIGHEST}")
    return int(text)


def _address(value: Any) -> str:
    text = read_text(value).removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise expected("an IP address") from None


def _protocol(value: Any) -> Any:
    if value not in ("tcp", "udp", "sctp"):
        raise expected("one of tcp, udp, sctp")
    return value


PortNumber = Annotated[int, BeforeValidator(_port, json_schema_input_type=int | str)]
Address = Annotated[str, BeforeValidator(_address, json_schema_input_type=str)]
ProtocolName = Annotated[Protocol, BeforeValidator(_protocol, json_schema_input_type=Protocol)]


class Port(Section):
    """A port of the container, published on the host; `published` None lets the engine choose."""

    place: ClassVar[str] = "ports"

    target: PortNumber
    """The port inside the container."""
    published: PortNumber | None = None
    """The port on the host; without it the engine chooses one."""
    host_ip: Address | None = None
    """The host's address; without it all of them."""
    protocol: ProtocolName = "tcp"
    """tcp, udp or sctp."""


class ExposedPort(Section):
    """A port that the container listens on, not published."""

    port: PortNumber
    protocol: ProtocolName = "tcp"


def _read_ports(value: Any) -> Iterator[Any]:
    if isinstance(value, Port | Mapping):
        yield value
        return
    match = SHORT.fullmatch(written(value))
    if match is None:
        raise expected(PUBLISH)
    targets = _range(match["target"])
    published = _range(match["published"]) if match["published"] else None
    if published is not None and len(published) != len(targets):
        raise wrong("should publish as many ports as the container has in the range")
    for index, target in enumerate(targets):
        yield {
            "target": target,
            "published": published[index] if published is not None else None,
            "host_ip": _address(match["ip"]) if match["ip"] else None,
            "protocol": _protocol(match["protocol"] or "tcp"),
        }


def _read_exposed(value: Any) -> Iterator[Any]:
    if isinstance(value, ExposedPort):
        yield value
        return
    match = EXPOSE.fullmatch(written(value))
    if match is None:
        raise expected("a port such as 80 or 53/udp")
    for port in _range(match["target"]):
        yield ExposedPort(port=port, protocol=_protocol(match["protocol"] or "tcp"))


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    low, high = _port(first), _port(last or first)
    if high < low:
        raise wrong("should be a range whose second port is not below the first")
    return range(low, high + 1)


Ports = Annotated[
    tuple[Port, ...],
    WrapValidator(each(_read_ports), json_schema_input_type=list[Annotated[int, Field(ge=1, le=HIGHEST)] | str | Port]),
]
Exposed = Annotated[
    tuple[ExposedPort, ...],
    WrapValidator(each(_read_exposed), json_schema_input_type=list[Annotated[int, Field(ge=1, le=HIGHEST)] | str]),
]

"""Published and exposed ports, in Compose's short and long forms."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WrapValidator

from kharness.settings.portrange import PortRange
from kharness.settings.section import Section, each, expected, wrong
from kharness.settings.values import Filled, is_number, read_text, written

Protocol = Literal["tcp", "udp", "sctp"]

HIGHEST = 65535
PUBLISH = "a port, or [HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]"
SHORT = re.compile(
    # The address may be empty: what `${BIND:-}:8443:443` becomes means all addresses.
    r"(?:(?:(?P<ip>[0-9.]*|\[[0-9A-Fa-f:.%a-z]*\]):)?(?P<published>[0-9]+(?:-[0-9]+)?)?:)?"
    r"(?P<target>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>\w+))?",
    re.ASCII,
)
RANGE = re.compile(r"[0-9]+-[0-9]+", re.ASCII)
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


def read_protocol(value: Any) -> Any:
    """Read a protocol; capitals count for nothing."""
    found = value.lower() if isinstance(value, str) else value
    if found not in ("tcp", "udp", "sctp"):
        raise expected("one of tcp, udp, sctp")
    return found


def _published(value: Any) -> int | PortRange | None:
    if value is None or (is_number(value) and value == 0):
        return None
    if isinstance(value, str) and (value == "0" or RANGE.fullmatch(value)):
        return _choice(value)
    return value if isinstance(value, PortRange) else _port(value)


def _choice(text: str) -> int | PortRange | None:
    if text == "0":
        # As in docker's own words: the engine chooses.
        return None
    found = _range(text)
    return found[0] if len(found) == 1 else PortRange(found[0], found[-1])


PortNumber = Annotated[int, BeforeValidator(_port, json_schema_input_type=int | str)]
Address = Annotated[str, BeforeValidator(_address, json_schema_input_type=str)]
ProtocolName = Annotated[
    Protocol,
    BeforeValidator(read_protocol, json_schema_input_type=Protocol | Annotated[str, Field(pattern="^(TCP|UDP|SCTP)$")]),
]
PublishedPort = Annotated[
    int | PortRange | None,
    BeforeValidator(_published, json_schema_input_type=int | Annotated[str, Field(pattern="^[0-9]+(-[0-9]+)?$")]),
]


class Port(Section):
    """A port of the container, published on the host; `published` None lets the engine choose one of all."""

    place: ClassVar[str] = "ports"

    target: PortNumber
    """The port inside the container."""
    published: PublishedPort = None
    """The port on the host, or a range of which the engine takes a free one; without it, or 0, the engine chooses."""
    host_ip: Address | None = None
    """The host's address; without it all of them."""
    protocol: ProtocolName = "tcp"
    """tcp, udp or sctp."""
    mode: Literal["host", "ingress"] | None = None
    """As in Compose; on one host both are the same."""
    name: Filled | None = None
    """What it is for, as in Compose; nothing reads it."""
    app_protocol: Filled | None = None
    """What is spoken on it, as in Compose; nothing reads it."""


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
    said = {
        "host_ip": _address(match["ip"]) if match["ip"] else None,
        "protocol": read_protocol(match["protocol"] or "tcp"),
    }
    if len(targets) == 1:
        published = _choice(match["published"]) if match["published"] else None
        yield Port(target=targets[0], published=published, **said)
        return
    numbers = _range(match["published"]) if match["published"] else None
    if numbers is not None and len(numbers) != len(targets):
        raise wrong("should publish as many ports as the container has in the range")
    # All of it was read above, and a media server has ten thousand: copies cost less than models that are validated.
    first = Port(target=targets[0], published=None, **said)
    for index, target in enumerate(targets):
        yield first.model_copy(update={"target": target, "published": numbers[index] if numbers is not None else None})


def _read_exposed(value: Any) -> Iterator[Any]:
    if isinstance(value, ExposedPort):
        yield value
        return
    match = EXPOSE.fullmatch(written(value))
    if match is None:
        raise expected("a port such as 80 or 53/udp")
    for port in _range(match["target"]):
        yield ExposedPort(port=port, protocol=read_protocol(match["protocol"] or "tcp"))


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

"""Published ports of a Compose file, in their long form."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from kharness.settings.compose.scalars import Faults, fault, is_number, plain
from kharness.settings.section import Loc

HIGHEST = 65535
RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)
SHORT = re.compile(
    r"(?:(?:(?P<ip>\[[^\[\]]*\]|[^\[\]:]*):)?(?P<published>[0-9-]*):)?(?P<target>[0-9-]+)(?:/(?P<protocol>\w+))?",
    re.ASCII,
)
PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
SHOULD = "a port, or [HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]"
KEYS = frozenset({"name", "mode", "host_ip", "target", "published", "protocol", "app_protocol"})


def ports(value: Any, loc: Loc, faults: Faults) -> list[dict[str, Any]]:
    """Read a service's ports; a range of targets becomes one entry for each."""
    if not isinstance(value, list):
        fault(faults, loc, "a list", value)
        return []
    return [port for index, item in enumerate(value) for port in _port(item, (*loc, index), faults)]


def _port(item: Any, loc: Loc, faults: Faults) -> Iterator[dict[str, Any]]:
    if isinstance(item, dict):
        yield from _long(item, loc, faults)
    elif isinstance(item, str) or is_number(item):
        yield from _short(plain(item), loc, faults)
    else:
        fault(faults, loc, SHOULD, item)


def _long(item: dict[str, Any], loc: Loc, faults: Faults) -> Iterator[dict[str, Any]]:
    for key in item:
        if key not in KEYS and not key.startswith("x-"):
            faults.append(((*loc, key), "unknown key"))
    said = dict(item)
    target = said.get("target")
    if target is None:
        faults.append(((*loc, "target"), "is required"))
        return
    if not _is_port(plain(target)):
        fault(faults, (*loc, "target"), f"a port from 1 to {HIGHEST}", target)
        return
    found: dict[str, Any] = {
        "mode": "ingress",
        **said,
        "target": int(plain(target)),
        "protocol": said.get("protocol") or "tcp",
    }
    if "published" in said:
        found["published"] = plain(said["published"])
    for key in ("published", "host_ip", "name", "app_protocol"):
        if found.get(key) == "":
            del found[key]
    yield found


def _short(text: str, loc: Loc, faults: Faults) -> Iterator[dict[str, Any]]:
    match = SHORT.fullmatch(text)
    targets = _numbers(match["target"]) if match else None
    if match is None or targets is None:
        fault(faults, loc, SHOULD, text)
        return
    protocol = (match["protocol"] or "tcp").lower()
    address = _address(match["ip"] or "")
    if protocol not in PROTOCOLS:
        fault(faults, loc, "a port whose protocol is tcp, udp or sctp", text)
        return
    if address is None:
        fault(faults, loc, "a port with an IP address before it, an IPv6 address in brackets as in [::1]:8080:80", text)
        return
    published = _numbers(match["published"]) if match["published"] else None
    if match["published"] and (published is None):
        fault(faults, loc, SHOULD, text)
        return
    base: dict[str, Any] = {"mode": "ingress", **({"host_ip": address} if address else {})}
    if len(targets) == 1:
        shown = (
            {} if published is None else {"published": match["published"] if len(published) > 1 else str(published[0])}
        )
        yield {**base, "target": targets[0], **shown, "protocol": protocol}
        return
    if published is not None and len(published) != len(targets):
        fault(faults, loc, "as many ports published as the container has in the range", text)
        return
    for index, target in enumerate(targets):
        shown = {} if published is None else {"published": str(published[index])}
        yield {**base, "target": target, **shown, "protocol": protocol}


def _numbers(text: str) -> range | None:
    match = RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return range(first, last + 1) if first <= last <= HIGHEST else None


def _is_port(text: str) -> bool:
    return RANGE.fullmatch(text) is not None and "-" not in text and 0 < int(text) <= HIGHEST


def _address(text: str) -> str | None:
    if not text:
        return ""
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    return str(text.strip("[]")) if (found.version == 6) == text.startswith("[") else None  # noqa: PLR2004 - IPv6

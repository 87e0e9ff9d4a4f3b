"""The canonical form of what stands beside services: networks, volumes, secrets and configs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kharness.settings.compose.forms import anything, each, fields, named, section
from kharness.settings.compose.scalars import Faults, Reader, flag, text
from kharness.settings.section import Loc

NETWORK: Mapping[str, Reader] = {
    "name": text,
    "driver": text,
    "driver_opts": named(),
    "ipam": anything,
    "external": anything,
    "internal": flag,
    "attachable": flag,
    "enable_ipv4": flag,
    "enable_ipv6": flag,
    "labels": named(),
}
VOLUME: Mapping[str, Reader] = {
    "name": text,
    "driver": text,
    "driver_opts": named(),
    "external": anything,
    "labels": named(),
}
GIVEN: Mapping[str, Reader] = {
    "name": text,
    "file": text,
    "environment": text,
    "content": text,
    "external": anything,
    "labels": named(),
    "driver": text,
    "driver_opts": named(),
    "template_driver": text,
}
TOP = {"networks": NETWORK, "volumes": VOLUME, "secrets": GIVEN, "configs": GIVEN}


def canonical_definition(kind: str, value: Any, loc: Loc, faults: Faults) -> dict[str, Any]:
    """Return a network, volume, secret or config of the top in its long form."""
    found = fields(value or {}, TOP[kind], loc, faults)
    external = found.get("external")
    if isinstance(external, dict):
        # The form of old files: the name below it.
        found["external"] = True
        if external.get("name"):
            found.setdefault("name", external["name"])
    elif external is not None:
        found["external"] = flag(external, (*loc, "external"), faults)
    for key in ("external", "internal"):
        if found.get(key) is False:
            del found[key]
    if found.get("external") and (
        more := found.keys() - {"name", "external", "labels"} - {k for k in found if k.startswith("x-")}
    ):
        faults.append((loc, f"is external, and should not have {', '.join(sorted(more))}"))
    if kind == "networks":
        found["ipam"] = _ipam(found.get("ipam"), (*loc, "ipam"), faults)
    if kind in {"secrets", "configs"} and not found.get("external"):
        sources = [key for key in ("file", "environment", "content") if key in found]
        if len(sources) != 1 and "driver" not in found:
            faults.append((loc, "should have one of file, environment, content or external"))
    return found


def _ipam(value: Any, loc: Loc, faults: Faults) -> dict[str, Any]:
    pool = section({"subnet": text, "gateway": text, "ip_range": text, "aux_addresses": named()})
    read = section({"driver": text, "config": each(pool), "options": named()})(value or {}, loc, faults)
    return {key: said for key, said in read.items() if said not in ([], {}) and key != "options"}

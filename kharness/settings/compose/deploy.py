"""What a Compose file says of a service in a cluster: limits, reservations, devices, restarts, placement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kharness.settings.compose.forms import anything, each, named, section
from kharness.settings.compose.scalars import (
    Faults,
    Reader,
    decimal,
    duration,
    is_number,
    size,
    text,
    whole,
)
from kharness.settings.section import Loc

ALL = -1
"""How many devices `all` means."""


def _count(value: Any, loc: Loc, faults: Faults) -> Any:
    return ALL if value == "all" else whole(value, loc, faults)


DEVICE: Mapping[str, Reader] = {
    "capabilities": anything,
    "count": _count,
    "device_ids": anything,
    "driver": text,
    "options": named(),
}


def _device(item: Any, loc: Loc, faults: Faults) -> dict[str, Any]:
    read: dict[str, Any] = section(DEVICE)(item, loc, faults)
    if "count" in read and "device_ids" in read:
        faults.append((loc, "should have either count or device_ids"))
    if "count" not in read and "device_ids" not in read:
        read["count"] = ALL
    return read


devices = each(_device)
"""Reads reserved devices; without a count or ids it is all of them."""


def gpus(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read GPUs: all, or a list of devices."""
    if value == "all":
        return [{"count": ALL}]
    return devices(value, loc, faults)


def deploy(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read `deploy`."""
    found = section(DEPLOY)(value, loc, faults)
    found.setdefault("resources", {})
    found.setdefault("placement", {})
    if found.get("labels") == {}:
        del found["labels"]
    return found


def _resources(value: Any, loc: Loc, faults: Faults) -> Any:
    return section({"limits": _limits, "reservations": _reservations})(value, loc, faults)


def _limits(value: Any, loc: Loc, faults: Faults) -> Any:
    return section({"cpus": _cpus, "memory": size, "pids": whole})(value, loc, faults)


def _reservations(value: Any, loc: Loc, faults: Faults) -> Any:
    keys = {"cpus": _cpus, "memory": size, "generic_resources": anything, "devices": _required}
    return section(keys)(value, loc, faults)


def _required(value: Any, loc: Loc, faults: Faults) -> Any:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict) and "capabilities" not in item:
            faults.append(((*loc, index, "capabilities"), "is required"))
    return devices(value, loc, faults)


def _cpus(value: Any, loc: Loc, faults: Faults) -> Any:
    return decimal(value, loc, faults) if isinstance(value, str) or is_number(value) else value


def _restart(value: Any, loc: Loc, faults: Faults) -> Any:
    keys = {"condition": text, "delay": duration, "max_attempts": whole, "window": duration}
    return section(keys)(value, loc, faults)


def _update(value: Any, loc: Loc, faults: Faults) -> Any:
    keys = {
        "parallelism": whole,
        "delay": duration,
        "failure_action": text,
        "monitor": duration,
        "max_failure_ratio": decimal,
        "order": text,
    }
    return section(keys)(value, loc, faults)


DEPLOY: Mapping[str, Reader] = {
    "mode": text,
    "replicas": whole,
    "labels": named(),
    "update_config": _update,
    "rollback_config": _update,
    "resources": _resources,
    "restart_policy": _restart,
    "placement": anything,
    "endpoint_mode": text,
}

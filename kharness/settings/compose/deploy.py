"""What a Compose file says of a service in a cluster: limits, reservations, devices, restarts, placement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kharness.settings.compose.scalars import (
    Faults,
    Reader,
    decimal,
    duration,
    fault,
    is_number,
    plain,
    size,
    text,
    whole,
)
from kharness.settings.foreign import nearest_key
from kharness.settings.section import Loc

ALL = -1
"""How many devices `all` means."""


def _read(value: Any, keys: Mapping[str, Reader], loc: Loc, faults: Faults) -> dict[str, Any]:
    if not isinstance(value, dict):
        fault(faults, loc, "a mapping", value)
        return {}
    found: dict[str, Any] = {}
    for key, said in value.items():
        if key.startswith("x-"):
            found[key] = said
        elif key not in keys:
            faults.append(((*loc, key), nearest_key(key, keys)))
        elif said is not None:
            found[key] = keys[key](said, (*loc, key), faults)
    return found


def _count(value: Any, loc: Loc, faults: Faults) -> Any:
    return ALL if value == "all" else whole(value, loc, faults)


def _taken(value: Any, _loc: Loc, _faults: Faults) -> Any:
    return value


def _named(value: Any, loc: Loc, faults: Faults) -> Any:
    if isinstance(value, list):
        return {name: said for name, _, said in (str(item).partition("=") for item in value)}
    if not isinstance(value, dict):
        fault(faults, loc, "a mapping, or a list of NAME=VALUE", value)
        return {}
    return {name: "" if said is None else plain(said) for name, said in value.items()}


DEVICE: Mapping[str, Reader] = {
    "capabilities": _taken,
    "count": _count,
    "device_ids": _taken,
    "driver": text,
    "options": _named,
}


def devices(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read reserved devices; without a count or ids it is all of them."""
    if not isinstance(value, list):
        fault(faults, loc, "a list", value)
        return []
    found = []
    for index, item in enumerate(value):
        here = (*loc, index)
        read = _read(item, DEVICE, here, faults)
        if "count" in read and "device_ids" in read:
            faults.append((here, "should have either count or device_ids"))
        if "count" not in read and "device_ids" not in read:
            read["count"] = ALL
        found.append(read)
    return found


def gpus(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read GPUs: all, or a list of devices."""
    if value == "all":
        return [{"count": ALL}]
    return devices(value, loc, faults)


def deploy(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read `deploy`."""
    found = _read(value, DEPLOY, loc, faults)
    found.setdefault("resources", {})
    found.setdefault("placement", {})
    if found.get("labels") == {}:
        del found["labels"]
    return found


def _resources(value: Any, loc: Loc, faults: Faults) -> Any:
    return _read(value, {"limits": _limits, "reservations": _reservations}, loc, faults)


def _limits(value: Any, loc: Loc, faults: Faults) -> Any:
    return _read(value, {"cpus": _cpus, "memory": size, "pids": whole}, loc, faults)


def _reservations(value: Any, loc: Loc, faults: Faults) -> Any:
    keys = {"cpus": _cpus, "memory": size, "generic_resources": _taken, "devices": _required}
    return _read(value, keys, loc, faults)


def _required(value: Any, loc: Loc, faults: Faults) -> Any:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict) and "capabilities" not in item:
            faults.append(((*loc, index, "capabilities"), "is required"))
    return devices(value, loc, faults)


def _cpus(value: Any, loc: Loc, faults: Faults) -> Any:
    return decimal(value, loc, faults) if isinstance(value, str) or is_number(value) else value


def _restart(value: Any, loc: Loc, faults: Faults) -> Any:
    keys = {"condition": text, "delay": duration, "max_attempts": whole, "window": duration}
    return _read(value, keys, loc, faults)


def _update(value: Any, loc: Loc, faults: Faults) -> Any:
    keys = {
        "parallelism": whole,
        "delay": duration,
        "failure_action": text,
        "monitor": duration,
        "max_failure_ratio": decimal,
        "order": text,
    }
    return _read(value, keys, loc, faults)


DEPLOY: Mapping[str, Reader] = {
    "mode": text,
    "replicas": whole,
    "labels": _named,
    "update_config": _update,
    "rollback_config": _update,
    "resources": _resources,
    "restart_policy": _restart,
    "placement": _taken,
    "endpoint_mode": text,
}

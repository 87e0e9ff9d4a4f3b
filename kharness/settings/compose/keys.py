"""Readers of a service's keys that have forms of their own: dependencies, networks, hosts, limits, builds, hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kharness.settings.compose.forms import (
    anything,
    command,
    each,
    fields,
    health_test,
    named,
    section,
    text_or_texts,
    texts,
)
from kharness.settings.compose.mounts import given
from kharness.settings.compose.scalars import Faults, Reader, decimal, duration, fault, flag, plain, size, text, whole
from kharness.settings.section import Loc


def depends_on(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read dependencies: each with its condition, and whether it must be there."""
    if isinstance(value, list):
        return {name: {"condition": "service_started", "required": True} for name in texts(value, loc, faults)}
    if not isinstance(value, dict):
        fault(faults, loc, "a list of services, or a mapping of them to conditions", value)
        return {}
    found = {}
    for name, said in value.items():
        here = (*loc, name)
        if not isinstance(said, dict):
            fault(faults, here, "a mapping with a condition", said)
            continue
        read = fields(said, {"condition": text, "restart": flag, "required": flag}, here, faults)
        if read.get("condition") not in CONDITIONS:
            fault(faults, (*here, "condition"), f"one of {', '.join(CONDITIONS)}", read.get("condition"))
        found[name] = {"required": True, **read}
    return found


CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")


def networks(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read the networks of a service."""
    if isinstance(value, list):
        return dict.fromkeys(texts(value, loc, faults))
    if not isinstance(value, dict):
        fault(faults, loc, "a list of networks, or a mapping of them", value)
        return {}
    return {name: section(ATTACHMENT, null=True)(said, (*loc, name), faults) for name, said in value.items()}


ATTACHMENT: Mapping[str, Reader] = {
    "aliases": texts,
    "ipv4_address": text,
    "ipv6_address": text,
    "link_local_ips": texts,
    "mac_address": text,
    "driver_opts": named(),
    "priority": decimal,
    "gw_priority": decimal,
    "interface_name": text,
}


def hosts(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read names of hosts, as NAME=ADDRESS."""
    if isinstance(value, dict):
        return sorted(
            f"{name}={address}"
            for name, said in value.items()
            for address in (said if isinstance(said, list) else [said])
        )
    found = []
    for index, item in enumerate(texts(value, loc, faults)):
        name, separator, address = str(item).partition("=") if "=" in str(item) else str(item).partition(":")
        if not separator or not name or not address:
            fault(faults, (*loc, index), "NAME=ADDRESS", item)
            continue
        found.append(f"{name}={address.removeprefix('[').removesuffix(']')}")
    return sorted(found)


def ulimits(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read limits: a number, or soft and hard ones."""
    if not isinstance(value, dict):
        fault(faults, loc, "a mapping, as in 'nofile: 1024'", value)
        return {}
    found = {}
    for name, said in value.items():
        here = (*loc, name)
        if isinstance(said, dict):
            found[name] = fields(said, {"soft": whole, "hard": whole}, here, faults)
            if missing := {"soft", "hard"} - said.keys():
                faults.append(((*here, min(missing)), "is required"))
        else:
            found[name] = whole(said, here, faults)
    return found


def env_files(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read files of variables; each with whether it must be there."""
    items = value if isinstance(value, list) else [value]
    found = []
    for index, item in enumerate(items):
        here = (*loc, index) if isinstance(value, list) else loc
        if isinstance(item, str):
            found.append({"path": item, "required": True})
        elif isinstance(item, dict):
            read = fields(item, {"path": text, "required": flag, "format": text}, here, faults)
            if "path" not in read:
                faults.append(((*here, "path"), "is required"))
                continue
            if read.get("format") not in {None, "raw"}:
                faults.append((here, "should have no format but raw"))
            found.append({"required": True, **read})
        else:
            fault(faults, here, "a path, or a mapping with path and required", item)
    return found


def build(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read how an image is built."""
    if isinstance(value, str):
        return {"context": value, "dockerfile": "Dockerfile"}
    if not isinstance(value, dict):
        fault(faults, loc, "a path, or a mapping with context", value)
        return {}
    found = fields(value, BUILD, loc, faults)
    if "dockerfile_inline" in found and "dockerfile" in found:
        faults.append((loc, "should have either dockerfile or dockerfile_inline"))
    if "dockerfile_inline" not in found:
        found.setdefault("dockerfile", "Dockerfile")
    return found


def models(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read the language models of a service."""
    return dict.fromkeys(texts(value, loc, faults)) if isinstance(value, list) else value


def provider(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read what provides a service that is no container."""
    found = section({"type": text, "options": anything})(value, loc, faults)
    if "type" not in found:
        faults.append(((*loc, "type"), "is required"))
    if isinstance(options := found.get("options"), dict):
        found["options"] = {
            name: [plain(each) for each in (said if isinstance(said, list) else [said])]
            for name, said in options.items()
        }
    return found


def develop(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read what is done in development when files change."""
    found = section({"watch": each(section(WATCH))})(value, loc, faults)
    for rule in found.get("watch") or ():
        rule["exec"] = {"command": None, **(rule.get("exec") or {})}
    return found


def attestation(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read whether a build is attested, or how: text, also of a boolean."""
    return plain(value) if isinstance(value, bool) else text(value, loc, faults)


def blkio(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read limits of block devices, which Compose prints with the engine's names."""
    read = section({"weight": whole, **dict.fromkeys(_DEVICES, anything)})(value, loc, faults)
    return {
        key: each(_device(key))(said, (*loc, key), faults) if key in _DEVICES else said for key, said in read.items()
    }


_DEVICES = ("weight_device", "device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops")


def _device(key: str) -> Reader:
    name, printed, read = ("weight", "Weight", whole) if key == "weight_device" else ("rate", "Rate", size)

    def device(value: Any, loc: Loc, faults: Faults) -> Any:
        found = section({"path": text, name: read})(value, loc, faults)
        return {"Path": found.get("path"), printed: found.get(name)}

    return device


HOOK: Mapping[str, Reader] = {
    "command": command,
    "user": text,
    "privileged": flag,
    "working_dir": text,
    "environment": named(null=None),
}
hooks = each(section(HOOK))
"""Reads commands that are run after a start, or before a stop."""
WATCH: Mapping[str, Reader] = {
    "action": text,
    "path": text,
    "target": text,
    "ignore": text_or_texts,
    "include": text_or_texts,
    "initial_sync": flag,
    "exec": section(HOOK),
}
HEALTH: Mapping[str, Reader] = {
    "test": health_test,
    "interval": duration,
    "timeout": duration,
    "retries": whole,
    "start_period": duration,
    "start_interval": duration,
    "disable": flag,
}
BUILD: Mapping[str, Reader] = {
    "context": text,
    "dockerfile": text,
    "dockerfile_inline": text,
    "args": named(null=None),
    "ssh": text_or_texts,
    "labels": named(),
    "cache_from": texts,
    "cache_to": texts,
    "no_cache": flag,
    "additional_contexts": named(),
    "network": text,
    "pull": flag,
    "target": text,
    "shm_size": size,
    "extra_hosts": hosts,
    "isolation": text,
    "privileged": flag,
    "secrets": given,
    "tags": texts,
    "ulimits": ulimits,
    "platforms": texts,
    "entitlements": texts,
    "provenance": attestation,
    "sbom": attestation,
}

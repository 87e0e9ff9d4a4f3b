"""The request that makes a container again, out of the engine's answer about it (API 1.41). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import normpath
from typing import Any

from kharness.engine.convert import SPECIAL_NETWORKS

ENDPOINT = ("IPAMConfig", "Aliases", "Links", "DriverOpts")
"""What was said of a container on a network; the rest of the answer is what the engine gave it."""


def create_request(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with the same image, configuration, networks and anonymous volumes, these by their names."""
    config = dict(raw.get("Config") or {})
    host = dict(raw.get("HostConfig") or {})
    mounts = list(host.get("Mounts") or ())
    binds = (bind.split(":")[1] for bind in host.get("Binds") or () if ":" in bind)
    said = {normpath(target) for target in (*(mount.get("Target", "") for mount in mounts), *binds)}
    declared = {normpath(path) for path in config.get("Volumes") or ()}
    for mount in raw.get("Mounts") or ():
        target = normpath(mount.get("Destination", ""))
        if mount.get("Type") == "volume" and target in declared - said:
            mounts.append({"Type": "volume", "Source": mount["Name"], "Target": target})
    networks = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    endpoints = {name: _endpoint(raw, found) for name, found in networks.items() if name not in SPECIAL_NETWORKS}
    return {
        **config,
        # By its id: the name may be another image's by then.
        "Image": raw.get("Image"),
        "HostConfig": {**host, "Mounts": mounts},
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }


def _endpoint(raw: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: found[key] for key in ENDPOINT if found.get(key)}
    if "Aliases" in kept:
        # The engine's own alias is the beginning of an id, which will be another one.
        kept["Aliases"] = [alias for alias in kept["Aliases"] if not raw["Id"].startswith(alias)]
    return kept

"""The bodies of Engine API requests (API 1.41): of new containers, and of containers made again from an inspection.

Pure. `fitted` turns a request into what an engine of another version understands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import normpath
from typing import Any

from kharness.engine.api import NetworkRequest
from kharness.errors import LaunchError
from kharness.plan.facts import HealthFacts
from kharness.plan.launch.runspec import API, ENGINE, Attachment, Mount, MountKind, RunSpec
from kharness.plan.text import whole_seconds
from kharness.settings.plain import PLAIN, PlainKey, ValueKind


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """The body of a create request, the networks to join after it, and the API version to ask in, None for the usual.

    The names of networks lead to EndpointConfigs.
    """

    body: Mapping[str, Any]
    further: Mapping[str, Mapping[str, Any]]
    api: str | None = None


def fitted(request: CreateRequest, container: str, *, newer: bool) -> CreateRequest:
    """Return a request as an engine understands it; `newer` says that it serves `API`.

    An older engine has one MAC address for a container, that on its first network, and no interval while it starts.
    Raises `LaunchError` for a MAC address that it cannot give.
    """
    first: Mapping[str, Mapping[str, Any]] = (request.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    addressed = [network for network, said in {**first, **request.further}.items() if said.get("MacAddress")]
    health: Mapping[str, Any] = request.body.get("Healthcheck") or {}
    if not addressed and not health.get("StartInterval"):
        return request
    if newer and not addressed:
        return CreateRequest(body=request.body, further=request.further, api=API)
    if newer:
        # A MAC address that is asked for when a container joins a network before its start is forgotten.
        endpoints = {"EndpointsConfig": {**first, **request.further}}
        return CreateRequest(body={**request.body, "NetworkingConfig": endpoints}, further={}, api=API)
    if unable := [network for network in addressed if network in request.further]:
        raise LaunchError(
            f"container {container}: networks.{unable[0]}.mac_address needs {ENGINE} or newer: this engine gives a MAC "
            "address on the first network alone"
        )
    body = dict(request.body)
    if health:
        body["Healthcheck"] = {key: value for key, value in health.items() if key != "StartInterval"}
    for network in addressed:
        endpoint = dict(first[network])
        body["MacAddress"] = endpoint.pop("MacAddress")
        body["NetworkingConfig"] = {"EndpointsConfig": {network: endpoint}}
    return CreateRequest(body=body, further=request.further)


SPECIAL_NETWORKS = frozenset({"none", "host", "bridge", "default"})
NANO = 1_000_000_000
MILLISECOND = 1_000_000


def create_body(spec: RunSpec) -> dict[str, Any]:
    """Return the body of `POST /containers/create`; what the spec leaves open is left out.

    Only the first network is in it: before API 1.44 a container is created on one. Without any it has none at all.
    """
    body: dict[str, Any] = {
        "Image": spec.image,
        "Cmd": None if spec.command is None else list(spec.command),
        "Entrypoint": None if spec.entrypoint is None else list(spec.entrypoint),
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "Labels": dict(spec.labels),
        "ExposedPorts": {str(port): {} for port in (*spec.expose, *(p.port for p in spec.publish))},
        "Healthcheck": health_body(spec.health) if spec.health else None,
        "StdinOnce": spec.stdin_once or None,
        "HostConfig": _host_config(spec),
    }
    for row in PLAIN:
        *above, name = row.place
        (body[above[0]] if above else body)[name] = plain_value(row, getattr(spec, row.key))
    body["HostConfig"] = _said(body["HostConfig"])
    first = next(iter(spec.networks), None)
    if first and _has_endpoint(first):
        body["NetworkingConfig"] = {"EndpointsConfig": {first.network: endpoint_body(first)}}
    return _said(body)


def request_body(spec: RunSpec) -> dict[str, Any]:
    """Return the same with all networks in it, as `request_of` returns what an engine has."""
    endpoints = {each.network: endpoint_body(each) for each in spec.networks if _has_endpoint(each)}
    return {**create_body(spec), "NetworkingConfig": {"EndpointsConfig": endpoints}}


def _has_endpoint(attachment: Attachment) -> bool:
    # The engine's own bridge takes nothing but a MAC address.
    return attachment.network not in SPECIAL_NETWORKS or attachment.mac_address is not None


def health_body(health: HealthFacts) -> dict[str, Any]:
    """Return a HEALTHCHECK in the engine's form; its times are nanoseconds."""
    return _said(
        {
            "Test": list(health.test),
            "Interval": _nanoseconds(health.interval),
            "Timeout": _nanoseconds(health.timeout),
            "StartPeriod": _nanoseconds(health.start_period),
            "StartInterval": _nanoseconds(health.start_interval),
            "Retries": health.retries,
        }
    )


def endpoint_body(attachment: Attachment) -> dict[str, Any]:
    """Return an EndpointConfig: fixed addresses and aliases on one network; see `newer` for the MAC address."""
    addresses = _said({"IPv4Address": attachment.ipv4_address, "IPv6Address": attachment.ipv6_address})
    aliases = list(attachment.aliases) or None
    return _said({"IPAMConfig": addresses or None, "Aliases": aliases, "MacAddress": attachment.mac_address})


def network_body(request: NetworkRequest) -> dict[str, Any]:
    """Return the body of `POST /networks/create`.

    The engine accepts a second network of the same name unless `CheckDuplicate` is set, and then cannot start
    anything on either.
    """
    pool = _said({"Subnet": request.subnet, "Gateway": request.gateway, "IPRange": request.ip_range})
    pools = [dict(each) for each in request.pools] or ([pool] if pool else [])
    ipam = {"Driver": request.ipam_driver, "Options": dict(request.ipam_options)}
    own = request.ipam_driver != "default" or request.ipam_options
    subnets = [str(each.get("Subnet")) for each in pools]
    return _said(
        {
            "Name": request.name,
            "CheckDuplicate": True,
            "Driver": request.driver,
            "Internal": request.internal,
            "Attachable": request.driver == "overlay" or request.attachable or None,
            "IPAM": {**({"Config": pools} if pools else {}), **(ipam if own else {})} or None,
            "EnableIPv6": True if request.enable_ipv6 or any(":" in each for each in subnets) else None,
            "Labels": dict(request.labels),
            "Options": dict(request.options),
        }
    )


def restart_body(policy: str, *, retries: int = 0) -> dict[str, Any]:
    """Return a RestartPolicy; `retries` counts for `on-failure` alone."""
    return {"Name": policy, "MaximumRetryCount": retries if policy == "on-failure" else 0}


def label_filters(labels: Mapping[str, str | None] | None, **more: list[str]) -> str | None:
    """Return the `filters` parameter that asks for objects with these labels (None: with any value)."""
    wanted = [name if value is None else f"{name}={value}" for name, value in (labels or {}).items()]
    filters = {**({"label": wanted} if wanted else {}), **more}
    return json.dumps(filters) if filters else None


def plain_value(row: PlainKey, value: Any) -> Any:
    """Return the value of a plain key as the engine takes it; None where it is not set."""
    if value is None:
        return None
    match row.kind:
        case ValueKind.CPUS:
            return round(value * NANO)
        case ValueKind.DURATION:
            return whole_seconds(value)
        case ValueKind.PARAMETERS:
            return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _host_config(spec: RunSpec) -> dict[str, Any]:
    return {
        "NetworkMode": spec.networks[0].network if spec.networks else "none",
        "Mounts": [_mount(mount) for mount in spec.mounts if mount.kind is not MountKind.TMPFS],
        "Tmpfs": {mount.target: _tmpfs(mount) for mount in spec.mounts if mount.kind is MountKind.TMPFS},
        "PortBindings": _bindings(spec),
        "Ulimits": [{"Name": name, "Soft": soft, "Hard": hard} for name, soft, hard in spec.ulimits],
        "RestartPolicy": restart_body(spec.restart, retries=spec.restart_retries),
        "LogConfig": {"Type": spec.log_driver or "", "Config": dict(spec.log_options)}
        if spec.log_driver or spec.log_options
        else None,
        "ExtraHosts": [f"{host}:{address}" for host, address in spec.extra_hosts],
        "Devices": [
            {"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": permissions}
            for host, inside, permissions in spec.devices
        ],
        "AutoRemove": spec.remove,
    }


def _mount(mount: Mount) -> dict[str, Any]:
    # As Mounts and not Binds: a source that is missing is an error here, there the engine would make a directory.
    bind = _said({"Propagation": mount.propagation, "NonRecursive": mount.non_recursive or None}) or None
    volume = {"NoCopy": True} if mount.no_copy else None
    return _said(
        {
            "Type": mount.kind.value,
            "Source": mount.source,
            "Target": mount.target,
            "ReadOnly": mount.read_only,
            "BindOptions": bind if mount.kind is MountKind.BIND else None,
            "VolumeOptions": volume if mount.kind is MountKind.VOLUME else None,
        }
    )


def _tmpfs(mount: Mount) -> str:
    options = [*mount.options]
    if mount.read_only:
        options.append("ro")
    if mount.size is not None:
        options.append(f"size={mount.size}")
    if mount.mode is not None:
        options.append(f"mode={mount.mode:o}")
    return ",".join(options)


def _bindings(spec: RunSpec) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.publish:
        host_port = "" if port.host_port is None else str(port.host_port)
        bindings.setdefault(str(port.port), []).append({"HostIp": port.host_ip or "", "HostPort": host_port})
    return bindings


def _nanoseconds(seconds: float | None) -> int | None:
    # The engine refuses less than a millisecond, and takes 0 for its own default.
    return None if seconds is None else max(round(seconds * NANO), MILLISECOND) if seconds > 0 else 0


def _said(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


OWN_BRIDGES = frozenset({"bridge", "podman"})
"""What Docker and Podman call the network of a container that names none."""
ENDPOINT = ("IPAMConfig", "Aliases", "Links", "DriverOpts")
"""What was said of a container on a network; the rest of the answer is what the engine gave it."""


def create_request(raw: Mapping[str, Any], *, addressed: bool = False) -> dict[str, Any]:
    """Return a request with the same image, configuration, networks and anonymous volumes, these by their names.

    With `addressed` MAC addresses are those of networks; older engines have one for the container.
    """
    config = dict(raw.get("Config") or {})
    host = dict(raw.get("HostConfig") or {})
    volumes = {
        normpath(mount.get("Destination", "")): mount.get("Name", "")
        for mount in raw.get("Mounts") or ()
        if mount.get("Type") == "volume"
    }
    mounts = [_named(mount, volumes) for mount in host.get("Mounts") or ()]
    binds = (bind.split(":")[1] for bind in host.get("Binds") or () if ":" in bind)
    said = {normpath(target) for target in (*(mount.get("Target", "") for mount in mounts), *binds)}
    declared = {normpath(path) for path in config.get("Volumes") or ()}
    mounts += [
        {"Type": "volume", "Source": volume, "Target": target}
        for target, volume in volumes.items()
        if target in declared - said
    ]
    networks = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    endpoints = {
        name: _endpoint(raw, found, addressed=addressed)
        for name, found in networks.items()
        if name not in SPECIAL_NETWORKS | OWN_BRIDGES
    }
    if networks and host.get("NetworkMode") == "bridge" and not networks.keys() & OWN_BRIDGES:
        # Podman reports a bridge of its own where a container is on others alone.
        host["NetworkMode"] = next(iter(networks))
    return {
        **config,
        # By its id: the name may be another image's by then.
        "Image": raw.get("Image"),
        "HostConfig": {**host, "Mounts": mounts},
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }


def _named(mount: Mapping[str, Any], volumes: Mapping[str, str]) -> Mapping[str, Any]:
    # A volume without a source has a name that the engine made up; without it there would be a new one.
    if mount.get("Type") != "volume" or mount.get("Source"):
        return mount
    return {**mount, "Source": volumes.get(normpath(mount.get("Target", "")), "")}


def _endpoint(raw: Mapping[str, Any], found: Mapping[str, Any], *, addressed: bool) -> dict[str, Any]:
    kept = {key: found[key] for key in ENDPOINT if found.get(key)}
    if addressed and (mac := str(found.get("MacAddress") or "")) and mac != _derived(str(found.get("IPAddress") or "")):
        kept["MacAddress"] = mac
    if "Aliases" in kept:
        # The engine's own alias is the beginning of an id, which will be another one.
        kept["Aliases"] = [alias for alias in kept["Aliases"] if not raw["Id"].startswith(alias)]
    return kept


def _derived(address: str) -> str:
    # Engines before 28.0 make a MAC address of the IPv4 address, which another container may have by then.
    return ":".join(("02", "42", *(f"{int(part):02x}" for part in address.split(".") if part.isdigit())))

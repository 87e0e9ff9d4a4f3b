"""What kharness asks for, as bodies of Engine API requests (API 1.41). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kharness.engine.api import NetworkRequest
from kharness.plan.facts import HealthFacts
from kharness.plan.runspec import Attachment, Mount, MountKind, RunSpec

SPECIAL_NETWORKS = frozenset({"none", "host", "bridge", "default"})
NANO = 1_000_000_000


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
        "Hostname": spec.hostname,
        "User": spec.user,
        "WorkingDir": spec.working_dir,
        "ExposedPorts": {str(port): {} for port in (*spec.expose, *(p.port for p in spec.publish))},
        "StopSignal": spec.stop_signal,
        "StopTimeout": None if spec.stop_timeout is None else round(spec.stop_timeout),
        "Healthcheck": health_body(spec.health) if spec.health else None,
        "Tty": spec.tty,
        "OpenStdin": spec.stdin,
        "HostConfig": _host_config(spec),
    }
    first = next(iter(spec.networks), None)
    if first and (first.network not in SPECIAL_NETWORKS):
        body["NetworkingConfig"] = {"EndpointsConfig": {first.network: endpoint_body(first)}}
    return _said(body)


def health_body(health: HealthFacts) -> dict[str, Any]:
    """Return a HEALTHCHECK in the engine's form; its times are nanoseconds."""
    return _said(
        {
            "Test": list(health.test),
            "Interval": _nanoseconds(health.interval),
            "Timeout": _nanoseconds(health.timeout),
            "StartPeriod": _nanoseconds(health.start_period),
            "Retries": health.retries,
        }
    )


def endpoint_body(attachment: Attachment) -> dict[str, Any]:
    """Return an EndpointConfig: fixed addresses and aliases on one network."""
    addresses = _said({"IPv4Address": attachment.ipv4_address, "IPv6Address": attachment.ipv6_address})
    return _said({"IPAMConfig": addresses or None, "Aliases": list(attachment.aliases) or None})


def network_body(request: NetworkRequest) -> dict[str, Any]:
    """Return the body of `POST /networks/create`.

    The engine accepts a second network of the same name unless `CheckDuplicate` is set, and then cannot start
    anything on either.
    """
    pool = _said({"Subnet": request.subnet, "Gateway": request.gateway, "IPRange": request.ip_range})
    return _said(
        {
            "Name": request.name,
            "CheckDuplicate": True,
            "Driver": request.driver,
            "Internal": request.internal,
            "Attachable": request.driver == "overlay" or None,
            "IPAM": {"Config": [pool]} if pool else None,
            "EnableIPv6": True if request.subnet and ":" in request.subnet else None,
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


def _host_config(spec: RunSpec) -> dict[str, Any]:
    limits = spec.limits
    return _said(
        {
            "NetworkMode": spec.networks[0].network if spec.networks else "none",
            "Mounts": [_mount(mount) for mount in spec.mounts if mount.kind is not MountKind.TMPFS],
            "Tmpfs": {mount.target: _tmpfs(mount) for mount in spec.mounts if mount.kind is MountKind.TMPFS},
            "PortBindings": _bindings(spec),
            "ReadonlyRootfs": spec.read_only,
            "CapAdd": list(spec.cap_add),
            "CapDrop": list(spec.cap_drop),
            "SecurityOpt": list(spec.security_opt),
            "Memory": limits.memory,
            "MemorySwap": limits.memory_swap,
            "NanoCpus": None if limits.cpus is None else round(limits.cpus * NANO),
            "PidsLimit": limits.pids,
            "Ulimits": [{"Name": name, "Soft": soft, "Hard": hard} for name, soft, hard in limits.ulimits],
            "Init": spec.init,
            "RestartPolicy": restart_body(spec.restart, retries=spec.restart_retries),
            "LogConfig": {"Type": spec.log_driver or "", "Config": dict(spec.log_options)}
            if spec.log_driver or spec.log_options
            else None,
            "Dns": list(spec.dns),
            "ExtraHosts": [f"{host}:{address}" for host, address in spec.extra_hosts],
            "Devices": [
                {"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": permissions}
                for host, inside, permissions in spec.devices
            ],
            "Sysctls": dict(spec.sysctls),
            "AutoRemove": spec.remove,
        }
    )


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
    return None if seconds is None else round(seconds * NANO)


def _said(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}

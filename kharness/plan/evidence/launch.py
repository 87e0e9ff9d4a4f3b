"""How a container is launched: one view of a plan for production, and of a container that the engine has."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kharness.errors import UnseenError
from kharness.plan.facts import HealthFacts, ImageFacts, PortRef
from kharness.plan.runspec import MountKind, RunSpec

NANO = 1_000_000_000
NAMESPACES = {
    "network": "NetworkMode",
    "pid": "PidMode",
    "ipc": "IpcMode",
    "uts": "UTSMode",
    "user": "UsernsMode",
}
"""The kernel's namespaces that a container may share with the host, and the engine's names of them. That of control
groups is left out: an engine on version 1 of them shares it always.
"""


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory or file of the host in the container."""

    source: str
    target: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Published:
    """A port of the host; `address` is empty where it is open on all addresses, `number` None where it is chosen."""

    address: str
    number: int | None
    port: PortRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What a container may do and use. Memory in bytes, 0 is no limit; `pids` 0 and `cpus` 0 as well.

    `log_driver` is empty where a plan leaves it to the engine. `volumes` are named volumes, whose sources are their
    names. `unmasked`: it sees what engines hide of /proc and /sys.
    """

    user: str
    privileged: bool = False
    cap_add: frozenset[str] = frozenset()
    cap_drop: frozenset[str] = frozenset()
    security_opt: tuple[str, ...] = ()
    host_namespaces: tuple[str, ...] = ()
    read_only: bool = False
    binds: tuple[Bind, ...] = ()
    volumes: tuple[Bind, ...] = ()
    devices: tuple[str, ...] = ()
    unmasked: bool = False
    published: tuple[Published, ...] = ()
    publishes_all: bool = False
    memory: int = 0
    cpus: float = 0.0
    pids: int = 0
    restart: str = "no"
    retries: int = 0
    health: HealthFacts | None = None
    log_driver: str = ""
    log_options: Mapping[str, str] = field(default_factory=dict)


def planned(spec: RunSpec, image: ImageFacts) -> Launch:
    """Return the view of a plan; what it leaves open is the image's."""
    limits = spec.limits
    return Launch(
        user=spec.user if spec.user is not None else image.user,
        cap_add=_capabilities(spec.cap_add),
        cap_drop=_capabilities(spec.cap_drop),
        security_opt=spec.security_opt,
        host_namespaces=("network",) if any(each.network == "host" for each in spec.networks) else (),
        read_only=spec.read_only,
        binds=tuple(
            Bind(posixpath.normpath(mount.source), mount.target, writable=not mount.read_only)
            for mount in spec.mounts
            if mount.kind is MountKind.BIND and mount.source
        ),
        volumes=tuple(
            Bind(mount.source, mount.target, writable=not mount.read_only)
            for mount in spec.mounts
            if mount.kind is MountKind.VOLUME and mount.source
        ),
        devices=tuple(host for host, _, _ in spec.devices),
        unmasked="systempaths=unconfined" in spec.security_opt,
        published=tuple(Published(each.host_ip or "", each.host_port, each.port) for each in spec.publish),
        memory=max(limits.memory or 0, 0),
        cpus=limits.cpus or 0.0,
        pids=max(limits.pids or 0, 0),
        restart=spec.restart,
        retries=spec.restart_retries,
        health=_effective(spec.health or image.health),
        log_driver=spec.log_driver or "",
        log_options=spec.log_options,
    )


def inspected(raw: Mapping[str, Any], *, health: HealthFacts | None) -> Launch:
    """Return the view of an engine's answer about a container; `UnseenError` where it does not say what is needed.

    `health` is its health check as the facts have it.
    """
    config, host = _part(raw, "Config"), _part(raw, "HostConfig")
    restart = _part(host, "RestartPolicy")
    logging = _part(host, "LogConfig")
    return Launch(
        user=str(_said(config, "User")),
        privileged=bool(_said(host, "Privileged")),
        cap_add=_capabilities(_said(host, "CapAdd") or ()),
        cap_drop=_capabilities(_said(host, "CapDrop") or ()),
        security_opt=tuple(_said(host, "SecurityOpt") or ()),
        host_namespaces=tuple(name for name, key in NAMESPACES.items() if _said(host, key) == "host"),
        read_only=bool(_said(host, "ReadonlyRootfs")),
        binds=tuple(
            Bind(posixpath.normpath(each["Source"]), each.get("Destination", ""), writable=bool(each.get("RW")))
            for each in _said(raw, "Mounts") or ()
            if each.get("Type") == "bind" and each.get("Source")
        ),
        volumes=tuple(
            Bind(each["Name"], each.get("Destination", ""), writable=bool(each.get("RW")))
            for each in _said(raw, "Mounts") or ()
            if each.get("Type") == "volume" and each.get("Name")
        ),
        devices=(
            *(str(each.get("PathOnHost")) for each in host.get("Devices") or ()),
            *(f"whatever the rule {rule!r} means" for rule in host.get("DeviceCgroupRules") or ()),
        ),
        unmasked=host.get("MaskedPaths") == [] or host.get("ReadonlyPaths") == [],
        published=tuple(_bindings(_said(host, "PortBindings") or {})),
        publishes_all=bool(host.get("PublishAllPorts")),
        memory=max(_said(host, "Memory") or 0, 0),
        cpus=_cpus(host),
        pids=max(_said(host, "PidsLimit") or 0, 0),
        restart=restart.get("Name") or "no",
        retries=restart.get("MaximumRetryCount") or 0,
        health=_effective(health),
        log_driver=str(_said(logging, "Type")),
        log_options=logging.get("Config") or {},
    )


def _bindings(said: Mapping[str, Any]) -> list[Published]:
    found = []
    for port, bindings in said.items():
        for each in bindings or ():
            number = str(each.get("HostPort") or "")
            address = str(each.get("HostIp") or "")
            found.append(Published(address, int(number) if number.isdigit() else None, PortRef.parse(port)))
    return found


def _cpus(host: Mapping[str, Any]) -> float:
    # Docker has two ways to say it. Shares are no limit: they only count when processors are short.
    quota, period = host.get("CpuQuota") or 0, host.get("CpuPeriod") or 100_000
    return float(max((_said(host, "NanoCpus") or 0) / NANO, quota / period, 0.0))


def _effective(health: HealthFacts | None) -> HealthFacts | None:
    return None if health is None or health.test[:1] == ("NONE",) else health


def _capabilities(names: object) -> frozenset[str]:
    assert isinstance(names, tuple | list)  # noqa: S101 - the engine's lists and our own
    return frozenset(str(name).upper().removeprefix("CAP_") for name in names)


def _part(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = _said(raw, key)
    if not isinstance(found, Mapping) or not found:
        raise UnseenError(f"the engine's answer says nothing about {key}")
    return found


def _said(raw: Mapping[str, Any], key: str) -> Any:
    if key not in raw:
        raise UnseenError(f"the engine's answer has no {key}")
    return raw[key]

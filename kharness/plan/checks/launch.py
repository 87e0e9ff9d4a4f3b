"""How a container is launched: the same view of a plan for production and of an existing container."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kharness.errors import UnseenError
from kharness.plan.facts import HealthFacts, ImageFacts, PortRef
from kharness.plan.launch.runspec import MountKind, Publish, RunSpec
from kharness.settings.portrange import PortRange

NANO = 1_000_000_000
NAMESPACES = {
    "network": "NetworkMode",
    "pid": "PidMode",
    "ipc": "IpcMode",
    "uts": "UTSMode",
    "user": "UsernsMode",
}
"""Namespaces that a container may share with the host, by the engine's keys. The cgroup namespace is left out: an
engine on cgroups version 1 always shares it.
"""


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory or file of the host in the container; `propagation` as in mount_namespaces(7), empty for default."""

    source: str
    target: str
    writable: bool
    propagation: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A port of the host; an empty `address` means all addresses, `number` None that the engine chooses it."""

    address: str
    number: int | None
    port: PortRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What a container may do and use. Memory is in bytes; 0 means no limit, also for `pids` and `cpus`.

    `log_driver` is empty where a plan leaves it to the engine. `volumes` are named volumes, with their names as
    sources. `unmasked`: it sees the parts of /proc and /sys that engines hide.
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
    """Return the view of a plan; the image decides what the plan leaves open."""
    return Launch(
        user=spec.user if spec.user is not None else image.user,
        cap_add=_capabilities(spec.cap_add),
        cap_drop=_capabilities(spec.cap_drop),
        security_opt=spec.security_opt,
        privileged=bool(spec.privileged),
        host_namespaces=_host_namespaces(spec),
        read_only=spec.read_only,
        binds=tuple(
            Bind(
                posixpath.normpath(mount.source),
                mount.target,
                writable=not mount.read_only,
                propagation=mount.propagation or "",
            )
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
        published=tuple(
            Published(each.host_ip or "", number, each.port) for each in spec.publish for number in _numbers(each)
        ),
        memory=max(spec.mem_limit or 0, 0),
        cpus=spec.cpus or 0.0,
        pids=max(spec.pids_limit or 0, 0),
        restart=spec.restart,
        retries=spec.restart_retries,
        health=_effective(spec.health or image.health),
        log_driver=spec.log_driver or "",
        log_options=spec.log_options,
    )


def _host_namespaces(spec: RunSpec) -> tuple[str, ...]:
    shared = {"network": any(each.network == "host" for each in spec.networks), "pid": spec.pid, "ipc": spec.ipc}
    return tuple(name for name in NAMESPACES if shared.get(name) in {True, "host"})


def _numbers(publish: Publish) -> Iterable[int | None]:
    # The engine may take any port of a range.
    found = publish.host_port
    return found if isinstance(found, PortRange) else (found,)


def inspected(raw: Mapping[str, Any], *, health: HealthFacts | None) -> Launch:
    """Return the view of an inspected container; raises `UnseenError` where the engine's answer lacks a key.

    `health` is its health check as the facts have it.
    """
    config, host = _part(raw, "Config"), _part(raw, "HostConfig")
    restart = _part(host, "RestartPolicy")
    logging = _part(host, "LogConfig")
    return Launch(
        user=str(_value(config, "User")),
        privileged=bool(_value(host, "Privileged")),
        cap_add=_capabilities(_value(host, "CapAdd") or ()),
        cap_drop=_capabilities(_value(host, "CapDrop") or ()),
        security_opt=tuple(_value(host, "SecurityOpt") or ()),
        host_namespaces=tuple(name for name, key in NAMESPACES.items() if _value(host, key) == "host"),
        read_only=bool(_value(host, "ReadonlyRootfs")),
        binds=tuple(
            Bind(
                posixpath.normpath(each["Source"]),
                each.get("Destination", ""),
                writable=bool(each.get("RW")),
                propagation=each.get("Propagation") or "",
            )
            for each in _value(raw, "Mounts") or ()
            if each.get("Type") == "bind" and each.get("Source")
        ),
        volumes=tuple(
            Bind(each["Name"], each.get("Destination", ""), writable=bool(each.get("RW")))
            for each in _value(raw, "Mounts") or ()
            if each.get("Type") == "volume" and each.get("Name")
        ),
        devices=(
            *(str(each.get("PathOnHost")) for each in host.get("Devices") or ()),
            *(f"rule {rule!r}" for rule in host.get("DeviceCgroupRules") or ()),
        ),
        unmasked=host.get("MaskedPaths") == [] or host.get("ReadonlyPaths") == [],
        published=tuple(_bindings(_value(host, "PortBindings") or {})),
        publishes_all=bool(host.get("PublishAllPorts")),
        memory=max(_value(host, "Memory") or 0, 0),
        cpus=_cpus(host),
        pids=max(_value(host, "PidsLimit") or 0, 0),
        restart=restart.get("Name") or "no",
        retries=restart.get("MaximumRetryCount") or 0,
        health=_effective(health),
        log_driver=str(_value(logging, "Type")),
        log_options=logging.get("Config") or {},
    )


def _bindings(given: Mapping[str, Any]) -> list[Published]:
    found = []
    for port, bindings in given.items():
        for each in bindings or ():
            number = str(each.get("HostPort") or "")
            address = str(each.get("HostIp") or "")
            found.append(Published(address, int(number) if number.isdigit() else None, PortRef.parse(port)))
    return found


def _cpus(host: Mapping[str, Any]) -> float:
    # There are two keys for a limit. Shares are no limit: they only count when processors are short.
    quota, period = host.get("CpuQuota") or 0, host.get("CpuPeriod") or 100_000
    return float(max((_value(host, "NanoCpus") or 0) / NANO, quota / period, 0.0))


def _effective(health: HealthFacts | None) -> HealthFacts | None:
    return None if health is None or health.test[:1] == ("NONE",) else health


def _capabilities(names: object) -> frozenset[str]:
    assert isinstance(names, tuple | list)  # noqa: S101 - the engine's lists and our own
    return frozenset(str(name).upper().removeprefix("CAP_") for name in names)


def _part(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = _value(raw, key)
    if not isinstance(found, Mapping) or not found:
        raise UnseenError(f"the engine's answer has no {key}")
    return found


def _value(raw: Mapping[str, Any], key: str) -> Any:
    if key not in raw:
        raise UnseenError(f"the engine's answer has no {key}")
    return raw[key]

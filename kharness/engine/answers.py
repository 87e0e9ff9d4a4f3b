"""The Engine API's answers as facts. Pure; a key that an engine leaves out or sets to null is the fact's default."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

from kharness.plan.facts import (
    Change,
    ContainerFacts,
    EngineFacts,
    HealthFacts,
    ImageFacts,
    MountFacts,
    NetworkFacts,
    PathFacts,
    PortRef,
    ProcessFacts,
    PublishedPort,
    UsageFacts,
    VolumeFacts,
)
from kharness.plan.text import moment

NANO = 1_000_000_000
BRIDGE_NAME = "com.docker.network.bridge.name"
PS_COLUMNS = "pid,ppid,uid,args"
"""What ps(1) is asked for, in the order in which `processes` reads it."""
KINDS = {0: "changed", 1: "added", 2: "removed"}

GO_TYPES = (
    (1 << 31, stat.S_IFDIR),
    (1 << 27, stat.S_IFLNK),
    (1 << 26 | 1 << 21, stat.S_IFCHR),
    (1 << 26, stat.S_IFBLK),
    (1 << 25, stat.S_IFIFO),
    (1 << 24, stat.S_IFSOCK),
)
GO_BITS = ((1 << 23, stat.S_ISUID), (1 << 22, stat.S_ISGID), (1 << 20, stat.S_ISVTX))

_HUB = re.compile(r"^docker\.io/(library/)?")
_STATUS = re.compile(r"Exited \((?P<code>\d+)\)|\((?:health: )?(?P<health>starting|healthy|unhealthy)\)")


def image_facts(raw: Mapping[str, Any]) -> ImageFacts:
    """Read the answer of an image's inspect."""
    config = raw.get("Config") or {}
    return ImageFacts(
        id=raw["Id"],
        tags=_references(raw.get("RepoTags")),
        digests=_references(raw.get("RepoDigests")),
        created=raw.get("Created") or "",
        labels=config.get("Labels") or {},
        user=config.get("User") or "",
        entrypoint=_texts(config.get("Entrypoint")),
        command=_texts(config.get("Cmd")),
        environment=_texts(config.get("Env")),
        exposed=tuple(sorted(map(PortRef.parse, config.get("ExposedPorts") or {}), key=_port_order)),
        health=_health(config.get("Healthcheck")),
        volumes=tuple(sorted(config.get("Volumes") or {})),
        size=raw.get("Size") or 0,
        layers=_texts((raw.get("RootFS") or {}).get("Layers")),
        platform="/".join(filter(None, (raw.get("Os"), raw.get("Architecture"), raw.get("Variant")))),
    )


def listed_image(raw: Mapping[str, Any]) -> ImageFacts:
    """Read an entry of the list of images: what is not in its configuration."""
    return ImageFacts(
        id=raw["Id"],
        tags=_references(raw.get("RepoTags")),
        digests=_references(raw.get("RepoDigests")),
        created=_time(raw.get("Created")),
        labels=raw.get("Labels") or {},
        size=raw.get("Size") or 0,
    )


def container_facts(raw: Mapping[str, Any]) -> ContainerFacts:
    """Read the answer of a container's inspect."""
    state = raw.get("State") or {}
    config = raw.get("Config") or {}
    host = raw.get("HostConfig") or {}
    networking = raw.get("NetworkSettings") or {}
    return ContainerFacts(
        id=raw["Id"],
        name=(raw.get("Name") or "").lstrip("/"),
        image_id=raw.get("Image") or "",
        image=_HUB.sub("", config.get("Image") or ""),
        state=_state(state.get("Status")),
        exit_code=state.get("ExitCode") or 0,
        error=state.get("Error") or "",
        oom_killed=bool(state.get("OOMKilled")),
        started_at=state.get("StartedAt") or "",
        created=raw.get("Created") or "",
        restart_count=raw.get("RestartCount") or 0,
        restart_policy=(host.get("RestartPolicy") or {}).get("Name") or "no",
        health=_health_state((state.get("Health") or state.get("Healthcheck") or {}).get("Status")),
        health_check=_health(config.get("Healthcheck")),
        pid=state.get("Pid") or 0,
        labels=config.get("Labels") or {},
        addresses=_addresses(networking),
        published=_published(networking.get("Ports") or {}),
        mounts=_mounts(raw),
        raw=raw,
    )


def listed_container(raw: Mapping[str, Any]) -> ContainerFacts:
    """Read an entry of the list of containers, which has less than an inspect.

    Exit code and health are in its status line, a text for people; `raw` is the entry.
    """
    names = [name.lstrip("/") for name in raw.get("Names") or []]
    found = [match.groupdict() for match in _STATUS.finditer(raw.get("Status") or "")]
    return ContainerFacts(
        id=raw["Id"],
        # A link's name has the linking container's before it, `/web/db`.
        name=next((name for name in names if "/" not in name), names[0] if names else ""),
        image_id=raw.get("ImageID") or "",
        image=_HUB.sub("", raw.get("Image") or ""),
        state=_state(raw.get("State")),
        exit_code=next((int(match["code"]) for match in found if match["code"]), 0),
        created=_time(raw.get("Created")),
        health=next((match["health"] for match in found if match["health"]), None),
        labels=raw.get("Labels") or {},
        addresses=_addresses(raw.get("NetworkSettings") or {}),
        published=tuple(
            PublishedPort(
                port=PortRef(entry["PrivatePort"], entry.get("Type") or "tcp"),
                host_ip=entry.get("IP") or "",
                host_port=entry["PublicPort"],
            )
            for entry in raw.get("Ports") or []
            if entry.get("PublicPort")
        ),
        mounts=_mounts(raw),
        raw=raw,
    )


def network_facts(raw: Mapping[str, Any]) -> NetworkFacts:
    """Read a network, from its inspect or from the list (which does not know the containers on it)."""
    driver = raw.get("Driver") or ""
    named = (raw.get("Options") or {}).get(BRIDGE_NAME)
    return NetworkFacts(
        id=raw["Id"],
        name=raw["Name"],
        driver=driver,
        internal=bool(raw.get("Internal")),
        labels=raw.get("Labels") or {},
        subnets=tuple(pool["Subnet"] for pool in (raw.get("IPAM") or {}).get("Config") or [] if pool.get("Subnet")),
        bridge=(named or f"br-{raw['Id'][:12]}") if driver == "bridge" else None,
        containers=tuple(raw.get("Containers") or {}),
    )


def gateways(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses of a network's gateways, which on a bridge are the engine's host's.

    Of its first network Docker 20.10 often names none; it is the first address then.
    """
    pools = (raw.get("IPAM") or {}).get("Config") or []
    said = (pool.get("Gateway") or _first(pool.get("Subnet") or "") for pool in pools)
    return tuple(address for address in said if address)


def _first(subnet: str) -> str:
    try:
        return str(next(iter(ip_network(subnet).hosts()), ""))
    except ValueError:
        return ""


def volume_facts(raw: Mapping[str, Any]) -> VolumeFacts:
    """Read a volume."""
    return VolumeFacts(
        name=raw["Name"],
        driver=raw.get("Driver") or "local",
        labels=raw.get("Labels") or {},
        mountpoint=raw.get("Mountpoint") or "",
        options=raw.get("Options") or {},
    )


def engine_facts(
    info: Mapping[str, Any], version: Mapping[str, Any], *, api_version: str, local: bool, endpoint: str
) -> EngineFacts:
    """Read the engine's answers to `/info` and `/version`; `api_version` is the one that is spoken."""
    return EngineFacts(
        id=info.get("ID") or "",
        name=info.get("Name") or "",
        version=version.get("Version") or info.get("ServerVersion") or "",
        api_version=api_version,
        newest_api=version.get("ApiVersion") or api_version,
        root_dir=info.get("DockerRootDir") or "",
        storage_driver=info.get("Driver") or "",
        security_options=_texts(info.get("SecurityOptions")),
        cpus=info.get("NCPU") or 1,
        memory=info.get("MemTotal") or 0,
        podman=is_podman(version),
        swap_limit=info.get("SwapLimit") is not False,
        local=local,
        endpoint=endpoint,
    )


def history(raw: Sequence[Mapping[str, Any]] | None) -> tuple[str, ...]:
    """Read an image's history, which comes with the newest step first."""
    return tuple(entry.get("CreatedBy") or "" for entry in reversed(raw or ()))


def is_podman(version: Mapping[str, Any]) -> bool:
    """Whether the answer to `/version` is Podman's."""
    return any("podman" in (part.get("Name") or "").lower() for part in version.get("Components") or [])


def path_facts(raw: Mapping[str, Any]) -> PathFacts:
    """Read what comes with an archive; its mode is Go's (io/fs.FileMode), whose bits are others than stat(2)'s."""
    said = int(raw["mode"])
    kind = next((mode for bit, mode in GO_TYPES if said & bit == bit), stat.S_IFREG)
    special = sum(mode for bit, mode in GO_BITS if said & bit)
    return PathFacts(mode=kind | special | (said & 0o777), size=raw.get("size") or 0, link=raw.get("linkTarget") or "")


def changes(raw: Sequence[Mapping[str, Any]] | None) -> tuple[Change, ...]:
    """Read a container's diff, which is null when there is none."""
    return tuple(Change(KINDS.get(entry["Kind"], "changed"), entry["Path"]) for entry in raw or ())


def processes(raw: Mapping[str, Any]) -> tuple[ProcessFacts, ...]:
    """Read a container's processes, asked for with `PS_COLUMNS`."""
    return tuple(
        ProcessFacts(pid=int(pid), ppid=int(ppid), uid=uid, command=" ".join(command))
        for pid, ppid, uid, *command in raw.get("Processes") or ()
    )


def usage(raw: Mapping[str, Any] | None) -> UsageFacts | None:
    """Read a container's statistics; None for empty ones: it does not run, or went meanwhile."""
    raw = raw or {}
    memory, cpu = raw.get("memory_stats") or {}, (raw.get("cpu_stats") or {}).get("cpu_usage") or {}
    at = moment(raw.get("read") or "")
    used = memory.get("usage")
    if at is None or used is None:
        return None
    # Pages of files that were not used lately: by control groups of version 1 and 2, cgroups(7).
    detail = memory.get("stats") or {}
    idle = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return UsageFacts(
        memory=used - idle if idle < used else used,
        memory_limit=memory.get("limit") or 0,
        cpu=(cpu.get("total_usage") or 0) / NANO,
        at=at.timestamp(),
    )


def _texts(value: Sequence[str] | str | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _references(value: Sequence[str] | None) -> tuple[str, ...]:
    # Podman says whole names where Docker says familiar ones.
    return tuple(_HUB.sub("", ref) for ref in value or () if not ref.startswith("<none>"))


def _port_order(port: PortRef) -> tuple[int, str]:
    return (port.number, port.protocol)


def _health(raw: Mapping[str, Any] | None) -> HealthFacts | None:
    if not raw or not raw.get("Test"):
        return None
    return HealthFacts(
        test=tuple(raw["Test"]),
        interval=_seconds(raw.get("Interval")),
        timeout=_seconds(raw.get("Timeout")),
        start_period=_seconds(raw.get("StartPeriod")),
        start_interval=_seconds(raw.get("StartInterval")),
        retries=raw.get("Retries") or None,
    )


def _state(said: str | None) -> str:
    # Podman has a word for one that has ended, and that it has not cleaned up after.
    return "exited" if said == "stopped" else said or "created"


def _health_state(status: str | None) -> str | None:
    return status if status in {"starting", "healthy", "unhealthy"} else None


def _seconds(nanoseconds: int | None) -> float | None:
    # The engine writes 0 where nothing was said.
    return nanoseconds / NANO if nanoseconds else None


def _mounts(raw: Mapping[str, Any]) -> tuple[MountFacts, ...]:
    return tuple(
        MountFacts(
            kind=entry.get("Type") or "",
            source=entry.get("Source") or "",
            target=entry.get("Destination") or "",
            writable=bool(entry.get("RW")),
            name=entry.get("Name") or "",
        )
        for entry in raw.get("Mounts") or []
        # Podman's list has their targets alone.
        if isinstance(entry, Mapping)
    )


def _addresses(networking: Mapping[str, Any]) -> dict[str, str]:
    networks = networking.get("Networks") or {}
    return {name: end["IPAddress"] for name, end in networks.items() if end and end.get("IPAddress")}


def _published(ports: Mapping[str, Sequence[Mapping[str, str]] | None]) -> tuple[PublishedPort, ...]:
    return tuple(
        PublishedPort(port=PortRef.parse(port), host_ip=binding.get("HostIp") or "", host_port=int(binding["HostPort"]))
        for port, bindings in ports.items()
        for binding in bindings or ()
        if binding.get("HostPort")
    )


def _time(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    try:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else ""
    except (ValueError, OverflowError, OSError):
        # Go's zero time is in the year 1, and an archive can say any: no image of theirs must hide the others.
        return ""

"""The traits of a container by settings' keys: as a create request asks for them, and as the engine reports them.

Both forms are normalised alike, so that they can be compared text by text. A request's traits leave out what the engine
fills in by itself; of what nothing asks for, the engine's own default is an empty text. Values of environment variables
are digests: a trait is kept in the state, and is printed.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from posixpath import normpath
from typing import Any

from kharness.plan import labels
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.launch.life import ASIDE, WAITING
from kharness.settings.plain import PLAIN, ValueKind

Traits = Mapping[str, str]
Raw = Mapping[str, Any]

JOINED = "joined"
ANONYMOUS = "anonymous volume"
ENVIRONMENT = "environment."
MAC_ADDRESS = ".mac_address"
"""What the key of a network's MAC address ends with; an engine gives each interface one."""
NANO = 1_000_000_000
UNITS = (("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10))
ANONYMOUS_DIGITS = 64
"""An anonymous volume's name is that many hexadecimal digits."""
FOREIGN_LABELS = (labels.PREFIX, "desktop.docker.io/")
"""Labels that say how a container was launched, and those that Docker Desktop adds."""
OWN_NAMESPACES = frozenset({"private", "shareable"})


def requested(body: Raw, image: ImageFacts | None) -> dict[str, str]:
    """Return the traits that a create request asks for, its image's configuration merged in as the engine does it.

    All networks are in `NetworkingConfig`. Without the image, what it could say is left out.
    """
    host = body.get("HostConfig") or {}
    found = {key: text(host.get(field)) for field, (key, text) in ALWAYS.items()}
    found |= {key: text(host[field]) for field, (key, text) in WHERE_SAID.items() if field in host}
    found |= {field: _plain(value) for field, value in host.items() if field not in KNOWN}
    found |= {
        key: _plain(body.get(field)) for field, key in CONFIG.items() if field in body or field not in CONFIG_WHERE_SAID
    }
    memory, swap = host.get("Memory") or 0, host.get("MemorySwap")
    found["memswap_limit"] = _bytes(2 * memory if memory > 0 and not swap else swap)
    found["image"] = short_id(body.get("Image"))
    found |= _from_image(body, image)
    found |= _logging(host)
    found |= dict(_requested_networks(body, host))
    found |= dict(_requested_mounts(host))
    found |= dict(_both(host))
    return found


def reported(raw: Raw, *, salt: str = "") -> dict[str, str]:
    """Return the traits of a container by the engine's answer about it."""
    host, config = raw.get("HostConfig") or {}, raw.get("Config") or {}
    rows = {**ALWAYS, **WHERE_SAID}
    found = {rows.get(field, (field, _plain))[0]: rows.get(field, (field, _plain))[1](host[field]) for field in host}
    found |= {key: _plain(config.get(field)) for field, key in CONFIG.items()}
    found |= {"image": short_id(raw.get("Image")), "memswap_limit": _bytes(host.get("MemorySwap"))}
    found |= {"command": _words(config.get("Cmd")), "entrypoint": _words(config.get("Entrypoint"))}
    found["container_name"] = _name(str(raw.get("Name") or ""))
    found |= _variables(config.get("Env") or (), salt=salt)
    found |= _labels(config.get("Labels") or {})
    found |= _health(config.get("Healthcheck") or {})
    found |= _logging(host)
    found |= dict(_reported_networks(raw))
    found |= dict(_reported_mounts(raw))
    found |= dict(_both(host))
    return found


def sealed(traits: Traits, *, salt: str) -> dict[str, str]:
    """Return traits of a request with digests in place of the values of its environment."""
    return {key: digest(value, salt=salt) if key.startswith(ENVIRONMENT) else value for key, value in traits.items()}


def digest(value: str, *, salt: str) -> str:
    """Return what stands for a value that nothing may show."""
    return hashlib.sha256(f"{salt}={value}".encode(errors="surrogateescape")).hexdigest()[:16]


def _plain(value: Any) -> str:
    match value:
        case None | False | 0 | "":
            return ""
        case True:
            return "true"
        case Mapping():
            return ", ".join(sorted(f"{key}={_plain(said)}" for key, said in value.items()))
        case list() | tuple():
            return ", ".join(sorted(map(_plain, value)))
        case _:
            return str(value)


def _ordered(value: Sequence[str] | None) -> str:
    return ", ".join(value or ())


def _words(value: Sequence[str] | str | None) -> str:
    return value if isinstance(value, str) else shlex.join(value or ())


def _bytes(value: int | None) -> str:
    if not value:
        return ""
    if value < 0:
        return "unlimited"
    return next((f"{value // size}{unit}" for unit, size in UNITS if value % size == 0), str(value))


def _limit(value: int | None) -> str:
    return str(value) if value and value > 0 else ""


def _cpus(value: int | None) -> str:
    return f"{value / NANO:g}" if value else ""


def _seconds(value: float | None) -> str:
    return f"{value / NANO:g}s" if value else ""


def _capabilities(value: Iterable[str] | None) -> str:
    return ", ".join(sorted(name.upper().removeprefix("CAP_") for name in value or ()))


def _options(value: Iterable[str] | None) -> str:
    # `no-new-privileges`, `no-new-privileges:true` and `no-new-privileges=true` are the same.
    said = (option.replace(":", "=", 1) for option in value or ())
    return ", ".join(sorted(option.removesuffix("=true") for option in said))


def _restart(value: Raw | None) -> str:
    name, retries = (value or {}).get("Name") or "no", (value or {}).get("MaximumRetryCount") or 0
    return f"{name}:{retries}" if retries else str(name)


def _devices(value: Iterable[Raw] | None) -> str:
    keys = ("PathOnHost", "PathInContainer", "CgroupPermissions")
    return ", ".join(sorted(":".join(str(each.get(key) or "") for key in keys) for each in value or ()))


def _ipc(value: str | None) -> str:
    return "" if value in OWN_NAMESPACES else value or ""


Text = Callable[[Any], str]
TEXTS: Mapping[ValueKind, Text] = {
    ValueKind.ADDRESSES: _ordered,
    ValueKind.CAPABILITIES: _capabilities,
    ValueKind.CPUS: _cpus,
    ValueKind.DOMAINS: _ordered,
    ValueKind.IPC: _ipc,
    ValueKind.LIMIT: _limit,
    ValueKind.OPTIONS: _options,
    ValueKind.SIZE: _bytes,
}
"""The texts of plain keys, where that is not the value itself."""
APART = frozenset({"Binds", "LogConfig", "MemorySwap", "Mounts", "NetworkMode", "PortBindings", "Sysctls", "Tmpfs"})
"""Fields of HostConfig that become several traits, or are compared with others."""


def _host_rows(*, filled: bool) -> dict[str, tuple[str, Text]]:
    return {
        row.place[-1]: (row.key, TEXTS.get(row.kind, _plain))
        for row in PLAIN
        if len(row.place) > 1 and row.filled is filled and row.place[-1] not in APART
    }


ALWAYS: Mapping[str, tuple[str, Text]] = {
    "AutoRemove": ("auto_remove", _plain),
    "BlkioWeight": ("blkio_weight", _plain),
    "CpuPeriod": ("cpu_period", _plain),
    "CpuQuota": ("cpu_quota", _plain),
    "CpusetMems": ("cpuset_mems", _plain),
    "DeviceCgroupRules": ("device_cgroup_rules", _plain),
    "DeviceRequests": ("gpus", _plain),
    "Devices": ("devices", _devices),
    "ExtraHosts": ("extra_hosts", _plain),
    "OomKillDisable": ("oom_kill_disable", _plain),
    "PublishAllPorts": ("publish_all", _plain),
    "RestartPolicy": ("restart", _restart),
    "UTSMode": ("uts", _plain),
    "UsernsMode": ("userns_mode", _plain),
    "VolumesFrom": ("volumes_from", _plain),
    **_host_rows(filled=False),
}
"""Fields of HostConfig, their keys and their texts; where a request leaves one out, the engine leaves it empty."""
WHERE_SAID: Mapping[str, tuple[str, Text]] = _host_rows(filled=True)
"""Fields of HostConfig that the daemon's own configuration fills in where a request leaves them out."""
KNOWN = frozenset({*ALWAYS, *WHERE_SAID, *APART, "Ulimits"})
"""The fields of HostConfig that have a text of their own; any other that a request says is compared as it is."""
CONFIG: Mapping[str, str] = {row.field: row.key for row in PLAIN if len(row.place) == 1}
CONFIG_WHERE_SAID = frozenset(row.field for row in PLAIN if row.filled)
"""Fields beside HostConfig and their keys, and those of them that the image or the engine fills in."""


def _from_image(body: Raw, image: ImageFacts | None) -> dict[str, str]:
    entrypoint, command = body.get("Entrypoint"), body.get("Cmd")
    said = {"entrypoint": _words(entrypoint)} if entrypoint is not None else {}
    said |= {"command": _words(command)} if command or entrypoint else {}
    said |= {"user": str(body["User"])} if body.get("User") else {}
    if image is None:
        return {**said, **_labels(body.get("Labels") or {}), **_variables(body.get("Env") or ())}
    health = image.health
    of_image = {
        "Test": list(health.test),
        "Interval": (health.interval or 0) * NANO,
        "Timeout": (health.timeout or 0) * NANO,
        "StartPeriod": (health.start_period or 0) * NANO,
        "StartInterval": (health.start_interval or 0) * NANO,
        "Retries": health.retries,
    } if health else {}  # fmt: skip
    own = {key: value for key, value in (body.get("Healthcheck") or {}).items() if value}
    return {
        "entrypoint": _words(image.entrypoint),
        "command": "" if entrypoint else _words(image.command),
        "user": image.user,
        **said,
        **_variables((*image.environment, *(body.get("Env") or ()))),
        **_labels({**image.labels, **(body.get("Labels") or {})}),
        **_health({**of_image, **own}),
    }


def _name(name: str) -> str:
    return name.removeprefix("/").removesuffix(ASIDE).removesuffix(WAITING)


def _variables(entries: Iterable[str], *, salt: str | None = None) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in entries)
    return {f"{ENVIRONMENT}{name}": value if salt is None else digest(value, salt=salt) for name, _, value in pairs}


def _labels(said: Mapping[str, str]) -> dict[str, str]:
    return {f"labels.{name}": value for name, value in said.items() if not name.startswith(FOREIGN_LABELS)}


def _health(said: Raw) -> dict[str, str]:
    return {
        "healthcheck.test": _words(said.get("Test")),
        "healthcheck.interval": _seconds(said.get("Interval")),
        "healthcheck.timeout": _seconds(said.get("Timeout")),
        "healthcheck.start_period": _seconds(said.get("StartPeriod")),
        "healthcheck.start_interval": _seconds(said.get("StartInterval")),
        "healthcheck.retries": _plain(said.get("Retries")),
    }


def _logging(host: Raw) -> dict[str, str]:
    said = host.get("LogConfig") or {}
    found = {"logging.driver": str(said["Type"])} if said.get("Type") else {}
    return found | {f"logging.options.{name}": str(value) for name, value in (said.get("Config") or {}).items()}


def _both(host: Raw) -> Iterator[tuple[str, str]]:
    # What request and answer say in the same form.
    for name, value in (host.get("Sysctls") or {}).items():
        # Engine 28 takes those of an interface for an option of the network.
        if ".eth" not in name:
            yield f"sysctls.{name}", str(value)
    for each in host.get("Ulimits") or ():
        yield f"ulimits.{each['Name']}", f"{each.get('Soft')}:{each.get('Hard')}"
    for target, options in (host.get("Tmpfs") or {}).items():
        yield f"tmpfs.{normpath(target)}", ", ".join(sorted(filter(None, options.split(",")))) or "mounted"
    for port, bindings in (host.get("PortBindings") or {}).items():
        places = sorted(f"{each.get('HostIp') or '0.0.0.0'}:{each.get('HostPort') or 'any'}" for each in bindings or ())  # noqa: S104 - what an empty text means
        if places:
            yield f"ports.{port}", ", ".join(places)


def _requested_networks(body: Raw, host: Raw) -> Iterator[tuple[str, str]]:
    mode = _network(host.get("NetworkMode") or "")
    endpoints = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    for name in dict.fromkeys((*([] if mode.startswith("container:") else [mode]), *map(_network, endpoints))):
        yield f"networks.{name}", JOINED
    for name, said in endpoints.items():
        yield from _endpoint(_network(name), said or {})


def _reported_networks(raw: Raw) -> Iterator[tuple[str, str]]:
    for name, said in ((raw.get("NetworkSettings") or {}).get("Networks") or {}).items():
        yield f"networks.{_network(name)}", JOINED
        aliases = [each for each in (said or {}).get("Aliases") or () if not str(raw.get("Id")).startswith(each)]
        yield from _endpoint(_network(name), {**(said or {}), "Aliases": aliases})


def _endpoint(name: str, said: Raw) -> Iterator[tuple[str, str]]:
    addresses = said.get("IPAMConfig") or {}
    for key, field in (("ipv4_address", "IPv4Address"), ("ipv6_address", "IPv6Address")):
        if addresses.get(field):
            yield f"networks.{name}.{key}", str(addresses[field])
    if said.get("MacAddress"):
        yield f"networks.{name}{MAC_ADDRESS}", str(said["MacAddress"])
    for alias in said.get("Aliases") or ():
        yield f"networks.{name}.aliases.{alias}", "set"


def _network(name: str) -> str:
    # `podman` is Podman's bridge.
    return "bridge" if name in {"", "default", "podman"} else name


def _requested_mounts(host: Raw) -> Iterator[tuple[str, str]]:
    for each in host.get("Mounts") or ():
        if each.get("Type") in {"bind", "volume"}:
            target = f"volumes.{normpath(each['Target'])}"
            yield target, _mount(each["Type"], each.get("Source") or "", writable=not each.get("ReadOnly"))
            if propagation := (each.get("BindOptions") or {}).get("Propagation"):
                yield f"{target}.propagation", str(propagation)


def _reported_mounts(raw: Raw) -> Iterator[tuple[str, str]]:
    for each in raw.get("Mounts") or ():
        if isinstance(each, Mapping) and each.get("Type") in {"bind", "volume"}:
            named = each["Type"] == "volume"
            source = each.get("Name" if named else "Source") or ""
            target = f"volumes.{normpath(each.get('Destination') or '')}"
            yield target, _mount(each["Type"], source, writable=bool(each.get("RW")))
            if each.get("Propagation"):
                yield f"{target}.propagation", str(each["Propagation"])


def _mount(kind: str, source: str, *, writable: bool) -> str:
    if kind == "volume" and (not source or _is_anonymous(source)):
        return ANONYMOUS
    return f"{normpath(source) if kind == 'bind' else source}{'' if writable else ' (read-only)'}"


def _is_anonymous(name: str) -> bool:
    return len(name) == ANONYMOUS_DIGITS and not name.strip("0123456789abcdef")

"""RunSpec: everything the engine is asked for when a container is created, as one frozen value.

A plan makes it, the engine layer turns it into a create request, `docker_line` into the `docker run` line that a person
could paste. Nothing in it is decided later, but an older engine leaves out or refuses what it does not know. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, make_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kharness.errors import UsageError
from kharness.plan.facts import EngineFacts, HealthFacts, PortRef
from kharness.settings.plain import PLAIN
from kharness.settings.portrange import PortRange

if TYPE_CHECKING:
    from kharness.settings.service import ServiceKeys


class MountKind(StrEnum):
    """The engine's three kinds of mounts."""

    BIND = "bind"
    VOLUME = "volume"
    TMPFS = "tmpfs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A mount; `source` is a host directory (bind), a volume's name (volume) or None (tmpfs).

    `size` (bytes) and `mode` (as 0o1777) are for tmpfs alone; `non_recursive`, for a bind, leaves out what is mounted
    below the source.
    """

    kind: MountKind
    source: str | None
    target: str
    read_only: bool = False
    propagation: str | None = None
    no_copy: bool = False
    size: int | None = None
    mode: int | None = None
    options: tuple[str, ...] = ()
    non_recursive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """A port published on the host; `host_port` None lets the engine choose one, a range one of it."""

    port: PortRef
    host_ip: str | None = None
    host_port: int | PortRange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A network that the container joins. The first one is joined at creation, others before the start."""

    network: str
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    aliases: tuple[str, ...] = ()
    mac_address: str | None = None


if TYPE_CHECKING:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class PlainSpec:
        """The plain keys that code asks for by name; sizes in bytes, times in seconds."""

        hostname: str | None = None
        user: str | None = None
        working_dir: str | None = None
        init: bool | None = None
        tty: bool = False
        stdin_open: bool = False
        dns: tuple[str, ...] = ()
        read_only: bool = False
        cap_drop: tuple[str, ...] = ()
        cap_add: tuple[str, ...] = ()
        security_opt: tuple[str, ...] = ()
        sysctls: Mapping[str, str] = field(default_factory=dict)
        privileged: bool | None = None
        ipc: str | None = None
        pid: str | None = None
        mem_limit: int | None = None
        memswap_limit: int | None = None
        shm_size: int | None = None
        cpus: float | None = None
        pids_limit: int | None = None
        stop_signal: str | None = None
        stop_grace_period: float | None = None

else:
    PlainSpec = make_dataclass(
        "PlainSpec",
        [
            (row.key, Any, field(default_factory=dict) if isinstance(row.unset, Mapping) else field(default=row.unset))
            for row in PLAIN
        ],
        frozen=True,
        slots=True,
        kw_only=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec(PlainSpec):
    """A container to be created. None and empty mean the image's or the engine's default.

    The plain keys of `settings.yaml` are fields of it by the same names. With `stdin_once` its standard input ends with
    that of the first client that is attached to it.
    """

    name: str
    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    publish: tuple[Publish, ...] = ()
    expose: tuple[PortRef, ...] = ()
    networks: tuple[Attachment, ...] = ()
    ulimits: tuple[tuple[str, int, int], ...] = ()
    restart: str = "no"
    restart_retries: int = 0
    health: HealthFacts | None = None
    log_driver: str | None = None
    log_options: Mapping[str, str] = field(default_factory=dict)
    extra_hosts: tuple[tuple[str, str], ...] = ()
    devices: tuple[tuple[str, str, str], ...] = ()
    remove: bool = False
    stdin_once: bool = False


API = "1.44"
"""The version of the API in which a health check has a start interval, and each interface a MAC address."""
ENGINE = "Docker Engine 25.0"
"""The first engine that serves it."""


def left_out(keys: ServiceKeys, engine: EngineFacts) -> Iterator[str]:
    """Say which keys an engine does not know, and a container is launched without."""
    if keys.healthcheck and keys.healthcheck.start_interval is not None and not engine.serves(API):
        yield f"healthcheck.start_interval is left out: it needs {ENGINE} or newer, and this is {engine.called}"


def refuse_unknown(spec: RunSpec, engine: EngineFacts) -> None:
    """Raise `UsageError` for what an engine cannot give: a MAC address on a network that is not the first."""
    if engine.serves(API):
        return
    for joined in spec.networks[1:]:
        if joined.mac_address:
            raise UsageError(
                f"container {spec.name}: networks.{joined.network}.mac_address needs {ENGINE} or newer, and this is "
                f"{engine.called}: it gives a MAC address on the first network alone"
            )

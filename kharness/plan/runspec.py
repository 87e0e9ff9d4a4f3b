"""RunSpec: everything the engine is asked for when a container is created, as one frozen value.

A plan makes it, the engine layer turns it into a create request, `dockerline` into the `docker run` line that a person
could paste. Nothing in it is decided later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kharness.plan.facts import HealthFacts, PortRef


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
    """A port published on the host; `host_port` None lets the engine choose one."""

    port: PortRef
    host_ip: str | None = None
    host_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A network that the container joins. The first one is joined at creation, others before the start."""

    network: str
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the container may use; bytes, cpus as in `--cpus`, None leaves the engine's default."""

    memory: int | None = None
    memory_swap: int | None = None
    cpus: float | None = None
    pids: int | None = None
    ulimits: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """A container to be created. None and empty mean the image's or the engine's default."""

    name: str
    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    hostname: str | None = None
    user: str | None = None
    working_dir: str | None = None
    mounts: tuple[Mount, ...] = ()
    publish: tuple[Publish, ...] = ()
    expose: tuple[PortRef, ...] = ()
    networks: tuple[Attachment, ...] = ()
    read_only: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    init: bool | None = None
    restart: str = "no"
    restart_retries: int = 0
    stop_signal: str | None = None
    stop_timeout: float | None = None
    health: HealthFacts | None = None
    log_driver: str | None = None
    log_options: Mapping[str, str] = field(default_factory=dict)
    dns: tuple[str, ...] = ()
    extra_hosts: tuple[tuple[str, str], ...] = ()
    devices: tuple[tuple[str, str, str], ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    remove: bool = False
    tty: bool = False
    stdin: bool = False

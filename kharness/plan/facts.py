"""What an engine says about itself and its objects, as frozen values.

The engine layer makes them from the Engine API's answers; plans decide on them. Times are the engine's own RFC 3339
texts, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SHORT = 12
"""Hexadecimal digits of an image's id that people read, as the engine's own client shows them."""


def short_id(image: str | None) -> str:
    """Return an image id as people read it; empty where there is none."""
    return (image or "").removeprefix("sha256:")[:SHORT]


def serves(newest: str, api: str) -> bool:
    """Whether an engine whose newest version of the API is this one serves another; one that names none does not."""
    return bool(newest) and tuple(map(int, newest.split("."))) >= tuple(map(int, api.split(".")))


@dataclass(frozen=True, slots=True)
class PortRef:
    """A port inside a container, `53/udp`."""

    number: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"

    @classmethod
    def parse(cls, text: str) -> PortRef:
        """Read `80` or `53/udp`; ValueError where the number is none."""
        number, _, protocol = text.partition("/")
        return cls(int(number), protocol or "tcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFacts:
    """A HEALTHCHECK in the engine's form: `("CMD", ...)`, `("CMD-SHELL", text)` or `("NONE",)`; times in seconds."""

    test: tuple[str, ...]
    interval: float | None = None
    timeout: float | None = None
    start_period: float | None = None
    start_interval: float | None = None
    retries: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """An image: `id` is `sha256:...`, `tags` are `repository:tag`, `digests` are `repository@sha256:...`.

    `platform` is `os/architecture[/variant]`.
    """

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    created: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    exposed: tuple[PortRef, ...] = ()
    health: HealthFacts | None = None
    volumes: tuple[str, ...] = ()
    size: int = 0
    layers: tuple[str, ...] = ()
    platform: str = ""

    def fits(self, platform: str | None) -> bool:
        """Whether it is for a platform; an unknown one fits, and so does one with or without its variant."""
        known = self.platform and platform
        return (
            not known
            or f"{self.platform}/".startswith(f"{platform}/")
            or f"{platform}/".startswith(f"{self.platform}/")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    """A container's port as the engine publishes it on the host."""

    port: PortRef
    host_ip: str
    host_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MountFacts:
    """What a container has mounted: `source` is a directory of the engine's host, `name` that of a named volume."""

    kind: str
    source: str
    target: str
    writable: bool
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFacts:
    """A container; `state` is created, running, paused, restarting, removing, exited or dead.

    `addresses` maps a network's name to the IPv4 address there. `health` is starting, healthy or unhealthy, or None
    without a health check, and `health_check` that check. `raw` is the engine's whole answer, for bundles and checks.
    """

    id: str
    name: str
    image_id: str
    image: str = ""
    state: str = "created"
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: str = ""
    created: str = ""
    restart_count: int = 0
    restart_policy: str = "no"
    health: str | None = None
    health_check: HealthFacts | None = None
    pid: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    published: tuple[PublishedPort, ...] = ()
    mounts: tuple[MountFacts, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether its first process runs (a paused one counts)."""
        return self.state in {"running", "paused"}

    @property
    def up(self) -> bool:
        """Whether it runs, or the engine is about to start it again."""
        return self.running or self.state == "restarting"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """A network; `bridge` is the host's interface of a bridge network, `containers` the ids on it."""

    id: str
    name: str
    driver: str = "bridge"
    internal: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    subnets: tuple[str, ...] = ()
    bridge: str | None = None
    containers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFacts:
    """A named volume; `options` are its driver's."""

    name: str
    driver: str = "local"
    labels: Mapping[str, str] = field(default_factory=dict)
    mountpoint: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> str:
        """The directory that has its contents, empty where only a container that mounts it sees them."""
        return self.mountpoint if self.driver == "local" and not self.options.get("device") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """The engine itself; `local` means that its file system and its networks are this host's.

    `api_version` is the version of the API that is spoken with it, `newest_api` the newest that it serves.
    `shares_mounts`: it sees what this process mounts. `swap_limit`: it can limit swap. `clock_ahead` are the seconds by
    which its clock was ahead of ours when it was asked, None where it does not say.
    """

    id: str
    name: str = ""
    version: str = ""
    api_version: str = ""
    newest_api: str = ""
    root_dir: str = ""
    storage_driver: str = ""
    security_options: tuple[str, ...] = ()
    cpus: int = 1
    memory: int = 0
    podman: bool = False
    local: bool = True
    shares_mounts: bool = True
    swap_limit: bool = True
    endpoint: str = ""
    clock_ahead: float | None = None

    @property
    def called(self) -> str:
        """Its product and version, for people."""
        return f"{'Podman' if self.podman else 'Docker Engine'} {self.version}"

    @property
    def userns(self) -> bool:
        """Whether the daemon maps uids (`userns-remap`)."""
        return any(option.startswith("name=userns") for option in self.security_options)

    def serves(self, api: str) -> bool:
        """Whether it serves this version of the API."""
        return serves(self.newest_api or self.api_version, api)

    @property
    def rootless(self) -> bool:
        """Whether the daemon itself runs without root."""
        return any(option.startswith("name=rootless") for option in self.security_options)


@dataclass(frozen=True, slots=True)
class Change:
    """A path that differs from what it was at the launch: `kind` is added, changed or removed."""

    kind: str
    path: str

    def __str__(self) -> str:
        return f"{self.kind} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """A process of a container as its engine's host sees it: `pid`, `ppid` and `uid` are those there.

    `command` is the whole command line, its arguments joined by single spaces.
    """

    pid: int
    ppid: int
    uid: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFacts:
    """What a running container uses at a moment: bytes of memory, what the kernel would give back at once aside.

    `memory_limit` is what it may use, the whole machine's where nothing was said. `cpu` are the seconds of processors
    that it has used since its start, `at` is the engine's time in seconds since the epoch.
    """

    memory: int
    memory_limit: int
    cpu: float
    at: float


@dataclass(frozen=True, slots=True)
class PathFacts:
    """What is at a path of a container: `mode` as of stat(2), type and all; `size` in bytes, `link` a link's text."""

    mode: int
    size: int
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of a container's output, without its end; `at` is the engine's time of it, in UTC, to be compared as text.

    `error` says that it was written to stderr, which is not known of a container with a terminal.
    """

    at: str
    text: str
    error: bool = False


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command in a container answered."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it exited with 0."""
        return self.exit_code == 0

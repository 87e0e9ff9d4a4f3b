"""The keys that a service has in Compose, by the same names and in the same forms.

A key that was not said is None, or empty where that means the same; what then holds is decided by the launch plan,
because the secure defaults belong to images that kharness built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, create_model

from kharness.settings.build import Build, PullPolicy
from kharness.settings.network import Addresses, DependsOn, ExtraHosts, MacAddress, NetworkAttachment, Networks
from kharness.settings.plain import PLAIN, SAME_LIMITS, PlainKey, ValueKind
from kharness.settings.ports import Exposed, Ports
from kharness.settings.process import (
    Capability,
    Deploy,
    Device,
    Healthcheck,
    Logging,
    Restart,
    Signal,
    Ulimit,
    Ulimits,
)
from kharness.settings.secrets import SecretFile, Secrets
from kharness.settings.section import Section, expected, problem, together, wrong
from kharness.settings.values import (
    AbsolutePath,
    Argv,
    Decimal,
    Duration,
    Environment,
    Filled,
    Flag,
    Labels,
    Limit,
    Natural,
    OneOrMany,
    Parameters,
    SignedSize,
    Size,
    StayingPath,
    Text,
    Texts,
    Whole,
    one_or_many,
    read_text,
    staying,
)
from kharness.settings.volumes import Tmpfs, VolumeItem

# The grammar of the registry's distribution project, shortened: [HOST[:PORT]/]PATH[:TAG][@DIGEST]
IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/|\[[0-9a-fA-F:]+\](?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
CONTAINER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+", re.ASCII)
HOSTNAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?", re.ASCII)
LONGEST_HOSTNAME = 64
"""Characters that the kernel's name of a host may have, gethostname(2): HOST_NAME_MAX."""
USER = re.compile(r"[^\s:]+(?::[^\s:]+)?")
PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?", re.ASCII)
CPUSET = re.compile(r"\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*", re.ASCII)
LEAST_KILLED, MOST_KILLED = -1000, 1000
"""The range of oom_score_adj, proc_pid_oom_score_adj(5)."""


def _matching(pattern: re.Pattern[str], what: str) -> BeforeValidator:
    def read(value: Any) -> str:
        if isinstance(value, bool) or not pattern.fullmatch(text := read_text(value)):
            raise expected(what)
        return text

    return BeforeValidator(read, json_schema_input_type=str | int)


Image = Annotated[str, _matching(IMAGE, "an image such as nginx:1.27")]
Platform = Annotated[str, _matching(PLATFORM, "a platform such as linux/arm64")]
ContainerName = Annotated[str, _matching(CONTAINER_NAME, "a name of letters, digits, '_', '.' and '-'")]
Hostname = Annotated[str, _matching(HOSTNAME, f"a host name of at most {LONGEST_HOSTNAME} characters")]
Domain = Annotated[str, _matching(HOSTNAME, "a domain such as example.org")]
User = Annotated[str, _matching(USER, "a user, NAME or UID, or USER:GROUP")]
_ManyTmpfs = Annotated[tuple[Tmpfs, ...], BeforeValidator(one_or_many, json_schema_input_type=str | list[str])]


def _namespace(what: str, *values: str) -> BeforeValidator:
    should = f"one of {', '.join(values)}" if values[1:] else values[0]

    def read(value: Any) -> Any:
        if isinstance(value, str) and value.startswith(("service:", "container:")):
            raise wrong(
                f"should be {should}; the {what} of another container cannot be shared, because a test instance would "
                "share production's"
            )
        if value not in values:
            raise expected(should)
        return value

    return BeforeValidator(read)


def _network_mode(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("service:", "container:")):
        raise wrong(
            "should be bridge, host or none; another container's network cannot be joined, but both containers can "
            "join one that the host's configuration has, with networks"
        )
    if value not in ("bridge", "host", "none"):
        raise expected("one of bridge, host, none")
    return value


class EnvFile(Section):
    """A file of `NAME=VALUE` lines."""

    place: ClassVar[str] = "env_file"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)

    path: StayingPath
    """The file, relative to the container directory."""
    required: Flag = True
    """Whether it must be there."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise expected("a path, or a mapping with path and required")
        if not value:
            raise wrong("should not be empty")
        return {"path": staying(value)}


NetworkMode = Annotated[
    Literal["bridge", "host", "none"],
    BeforeValidator(_network_mode, json_schema_input_type=Literal["bridge", "host", "none"]),
]
_ManyEnvFiles = Annotated[
    tuple[EnvFile, ...], BeforeValidator(one_or_many, json_schema_input_type=str | list[str | EnvFile])
]
TYPES: Mapping[ValueKind, Any] = {
    ValueKind.TEXT: Filled,
    ValueKind.HOSTNAME: Hostname,
    ValueKind.DOMAIN: Domain,
    ValueKind.USER: User,
    ValueKind.PATH: AbsolutePath,
    ValueKind.SIGNAL: Signal,
    ValueKind.CPUSET: Annotated[str, _matching(CPUSET, "processors such as 0-3 or 0,2")],
    ValueKind.IPC: Annotated[
        Literal["none", "private", "shareable", "host"],
        _namespace("shared memory", "none", "private", "shareable", "host"),
    ],
    ValueKind.PID: Annotated[Literal["host"], _namespace("processes", "host")],
    ValueKind.FLAG: Flag,
    ValueKind.NATURAL: Natural,
    ValueKind.SCORE: Annotated[Whole, Field(ge=LEAST_KILLED, le=MOST_KILLED)],
    ValueKind.LIMIT: Limit,
    ValueKind.SIZE: Size,
    ValueKind.SIGNED_SIZE: SignedSize,
    ValueKind.CPUS: Decimal,
    ValueKind.DURATION: Duration,
    ValueKind.NAMES: tuple[Text, ...],
    ValueKind.OPTIONS: Texts,
    ValueKind.ADDRESSES: Addresses,
    ValueKind.DOMAINS: OneOrMany,
    ValueKind.CAPABILITIES: tuple[Capability, ...],
    ValueKind.PARAMETERS: Parameters,
}
"""How the values of plain keys are read."""


def _field(row: PlainKey) -> tuple[Any, Any]:
    kind = TYPES[row.kind]
    if row.built is None and isinstance(row.unset, tuple | Mapping):
        return kind, Field(default=row.unset, description=row.text)
    return kind | None, Field(default=None, description=row.text)


if TYPE_CHECKING:

    class PlainKeys(Section):
        """The plain keys that code asks for by name."""

        hostname: Hostname | None = None
        user: User | None = None
        working_dir: AbsolutePath | None = None
        init: Flag | None = None
        tty: Flag | None = None
        stdin_open: Flag | None = None
        dns: Addresses = ()
        read_only: Flag | None = None
        cap_drop: tuple[Capability, ...] | None = None
        cap_add: tuple[Capability, ...] = ()
        security_opt: Texts | None = None
        sysctls: Parameters = Field(default_factory=dict[str, str])
        privileged: Flag | None = None
        ipc: str | None = None
        pid: str | None = None
        mem_limit: Size | None = None
        mem_reservation: Size | None = None
        memswap_limit: SignedSize | None = None
        shm_size: Size | None = None
        cpus: Decimal | None = None
        pids_limit: Limit | None = None
        stop_signal: Signal | None = None
        stop_grace_period: Duration | None = None

else:
    PlainKeys = create_model(
        "PlainKeys", __base__=Section, __module__=__name__, **{row.key: _field(row) for row in PLAIN}
    )


class ServiceKeys(PlainKeys):
    """What Compose can say about a service, as far as kharness supports it."""

    place: ClassVar[str] = "service"

    image: Image | None = None
    """An image that is not built here; only in a directory without a Dockerfile."""
    pull_policy: PullPolicy | None = None
    """When an image that is not built here is pulled."""
    build: Build | None = None
    """How the image is built."""
    platform: Platform | None = None
    """The platform that the image is pulled or built for, OS/ARCH[/VARIANT]."""

    command: Argv | None = None
    """Arguments in place of the image's CMD; text is split as a shell would."""
    entrypoint: Argv | None = None
    """In place of the image's ENTRYPOINT."""
    environment: Environment = Field(default_factory=dict[str, str])
    """Variables; they win over those of env_file."""
    env_file: _ManyEnvFiles = ()
    """Files of NAME=VALUE lines, relative to the container directory."""
    secrets: Secrets = Field(default_factory=dict[str, SecretFile])
    """Files that its user may read, by name; no image and no report has them."""

    ports: Ports = ()
    """Ports published on the host."""
    expose: Exposed = ()
    """Ports that it listens on, for readiness and tests, not published."""
    network_mode: NetworkMode | None = None
    """The engine's bridge, the host's network, or none, in place of networks."""
    networks: Networks = Field(default_factory=dict[str, NetworkAttachment])
    """Networks that it joins; the engine's default bridge without any."""
    mac_address: MacAddress | None = None
    """The address of its interface on the first of its networks."""
    container_name: ContainerName | None = None
    """The production container's name; the directory's name without it."""
    extra_hosts: ExtraHosts = ()
    """Names added to its /etc/hosts."""
    depends_on: DependsOn = Field(default_factory=dict[str, str])
    """Container directories that must be up before this one."""

    volumes: tuple[VolumeItem, ...] = ()
    """Directories of the host and named volumes, each with what a test instance gets in its place."""
    tmpfs: _ManyTmpfs | None = None
    """Directories in memory."""
    devices: tuple[Device, ...] = ()
    """Devices of the host."""

    deploy: Deploy = Field(default_factory=Deploy)
    """Limits in Compose's other form."""
    ulimits: Ulimits = Field(default_factory=dict[str, Ulimit])
    """Limits of setrlimit(2)."""

    restart: Restart | None = None
    """When the engine starts it again."""
    healthcheck: Healthcheck | None = None
    """How it is seen that the service works."""
    labels: Labels = Field(default_factory=dict[str, str])
    """Labels of the production container; a test instance has none of them."""
    logging: Logging | None = None
    """Where its output goes."""

    def settled(self) -> Self:
        """Let the limits of `deploy` be those of the keys that mean the same."""
        found: dict[str, Any] = {}
        for name, key in SAME_LIMITS.items():
            limit = getattr(self.deploy.resources.limits, name)
            if limit is None:
                continue
            if getattr(self, key) not in (None, limit):
                message = f"should be the same as {key}, or be set once"
                raise together([problem(wrong(message), loc=("deploy", "resources", "limits", name), value=None)])
            found[key] = limit
        return self.model_copy(update=found) if found else self

    @property
    def may_end(self) -> bool:
        """Whether it is a job that ends by itself: `restart: no`, said aloud. Without a word it is a service."""
        return self.restart is not None and self.restart.policy == "no"

"""The keys that a service has in Compose, by the same names and in the same forms.

A key that was not said is None, or empty where that means the same; what then holds is decided by the launch plan,
because the secure defaults belong to images that kharness built.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from kharness.settings.build import Build
from kharness.settings.health import Healthcheck
from kharness.settings.network import Addresses, DependsOn, ExtraHosts, NetworkAttachment, Networks
from kharness.settings.ports import Exposed, Ports
from kharness.settings.process import Capability, Device, Logging, Restart, Signal, Ulimit, Ulimits
from kharness.settings.scalars import (
    AbsolutePath,
    Decimal,
    Duration,
    Flag,
    Limit,
    SignedSize,
    Size,
    StayingPath,
    read_text,
)
from kharness.settings.secrets import Secret, Secrets
from kharness.settings.section import Section, expected
from kharness.settings.several import Argv, Environment, Labels, Parameters, Texts, one_or_many
from kharness.settings.volumes import Tmpfs, VolumeItem

# The grammar of the registry's distribution project, shortened: [HOST[:PORT]/]PATH[:TAG][@DIGEST]
IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/|\[[0-9a-fA-F:]+\](?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
CONTAINER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+", re.ASCII)
HOSTNAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", re.ASCII)
USER = re.compile(r"[^\s:]+(?::[^\s:]+)?")


def _matching(pattern: re.Pattern[str], what: str) -> BeforeValidator:
    def read(value: Any) -> str:
        if isinstance(value, bool) or not pattern.fullmatch(text := read_text(value)):
            raise expected(what)
        return text

    return BeforeValidator(read, json_schema_input_type=str | int)


Image = Annotated[str, _matching(IMAGE, "an image such as nginx:1.27")]
ContainerName = Annotated[str, _matching(CONTAINER_NAME, "a name of letters, digits, '_', '.' and '-'")]
Hostname = Annotated[str, _matching(HOSTNAME, "a host name")]
User = Annotated[str, _matching(USER, "a user, NAME or UID, or USER:GROUP")]
_ManyPaths = Annotated[tuple[StayingPath, ...], BeforeValidator(one_or_many, json_schema_input_type=str | list[str])]
_ManyTmpfs = Annotated[tuple[Tmpfs, ...], BeforeValidator(one_or_many, json_schema_input_type=str | list[str])]


class ServiceKeys(Section):
    """What Compose can say about a service, as far as kharness supports it."""

    place: ClassVar[str] = "service"

    image: Image | None = None
    """An image that is not built here; only in a directory without a Dockerfile."""
    build: Build | None = None
    """How the image is built."""

    command: Argv | None = None
    """Arguments in place of the image's CMD; text is split as a shell would."""
    entrypoint: Argv | None = None
    """In place of the image's ENTRYPOINT."""
    environment: Environment = Field(default_factory=dict[str, str])
    """Variables; they win over those of env_file."""
    env_file: _ManyPaths = ()
    """Files of NAME=VALUE lines, relative to the container directory."""
    secrets: Secrets = Field(default_factory=dict[str, Secret])
    """Files that its user may read, by name; no image and no report has them."""
    user: User | None = None
    """NAME or UID, or USER:GROUP, in place of the image's USER."""
    working_dir: AbsolutePath | None = None
    """In place of the image's WORKDIR."""
    tty: Flag | None = None
    """Give it a terminal."""
    stdin_open: Flag | None = None
    """Keep its standard input open."""
    init: Flag | None = None
    """Run a small init that reaps orphans and passes signals on."""
    stop_signal: Signal | None = None
    """In place of the image's STOPSIGNAL."""
    stop_grace_period: Duration | None = None
    """The time between the stop signal and SIGKILL."""

    ports: Ports = ()
    """Ports published on the host."""
    expose: Exposed = ()
    """Ports that it listens on, for readiness and tests, not published."""
    networks: Networks = Field(default_factory=dict[str, NetworkAttachment])
    """Networks that it joins; the engine's default bridge without any."""
    hostname: Hostname | None = None
    """Its own name; the directory's name without it."""
    container_name: ContainerName | None = None
    """The production container's name; the directory's name without it."""
    dns: Addresses = ()
    """Name servers in place of the engine's."""
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

    read_only: Flag | None = None
    """Whether the root file system is read-only."""
    cap_add: tuple[Capability, ...] = ()
    """Capabilities that it has beyond those left by cap_drop."""
    cap_drop: tuple[Capability, ...] | None = None
    """Capabilities taken away."""
    security_opt: Texts | None = None
    """no-new-privileges, seccomp and AppArmor profiles."""
    sysctls: Parameters = Field(default_factory=dict[str, str])
    """Kernel parameters of its namespaces."""

    mem_limit: Size | None = None
    """The most memory it may use."""
    memswap_limit: SignedSize | None = None
    """Memory and swap together; -1 is no limit."""
    cpus: Decimal | None = None
    """How many processors it may keep busy."""
    pids_limit: Limit | None = None
    """How many processes and threads it may have; -1 is no limit."""
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

    @property
    def may_end(self) -> bool:
        """Whether it is a job that ends by itself: `restart: no`, said aloud. Without a word it is a service."""
        return self.restart is not None and self.restart.policy == "no"

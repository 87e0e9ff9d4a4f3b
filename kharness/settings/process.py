"""What a container's process may do and use: health check, capabilities, limits, devices, restart, logging.

`deploy:` is supported as far as one host can honour it: limits, which are those that have keys of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from kharness.settings.section import Section, expected, wrong
from kharness.settings.values import (
    AbsolutePath,
    Decimal,
    Duration,
    Filled,
    Flag,
    Limit,
    Natural,
    Parameters,
    Size,
    read_text,
)


def _test(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        if not value.strip():
            raise expected("a command")
        return ("CMD-SHELL", value)
    match value:
        case ["NONE"] | ("NONE",):
            return ("NONE",)
        case ["CMD-SHELL", _] | ["CMD", _, *_]:
            return tuple(read_text(part) for part in value)
    raise expected("a command, [CMD, PROGRAM, ...], [CMD-SHELL, COMMAND] or [NONE]")


HealthTest = Annotated[tuple[str, ...], BeforeValidator(_test, json_schema_input_type=str | list[str | int | float])]


class Healthcheck(Section):
    """A HEALTHCHECK in the engine's form; times in seconds. What it does not say comes from the image."""

    place: ClassVar[str] = "healthcheck"

    test: HealthTest | None = None
    """The command: text for a shell, or [CMD, program, arguments]."""
    interval: Duration | None = None
    """The time between two checks of a running container."""
    timeout: Duration | None = None
    """The time after which a check has failed."""
    start_period: Duration | None = None
    """The time after the start in which failures do not count."""
    start_interval: Duration | None = None
    """The time between two checks in `start_period`; engines before 25.0 do not know it, and it is left out there."""
    retries: Natural | None = None
    """How many failures in a row make it unhealthy; 0 is the engine's own number, 3."""
    disable: Flag = False
    """Switch the image's own check off."""


class DeployLimits(Section):
    """The most that a container may use."""

    place: ClassVar[str] = "deploy.resources.limits"

    memory: Size | None = None
    """The same as mem_limit."""
    cpus: Decimal | None = None
    """The same as cpus."""
    pids: Limit | None = None
    """The same as pids_limit."""


class DeployResources(Section):
    """What a container may use."""

    place: ClassVar[str] = "deploy.resources"

    limits: DeployLimits = Field(default_factory=DeployLimits)
    """The most of it."""


class Deploy(Section):
    """What Compose says of a service in a cluster."""

    place: ClassVar[str] = "deploy"

    resources: DeployResources = Field(default_factory=DeployResources)
    """What it may use."""


CAPABILITIES = frozenset(
    {
        *("ALL", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN"),
        *("DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
        *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST"),
        *("NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT"),
        *("SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME"),
        *("SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM"),
    }
)
"""The names of capabilities(7), without CAP_."""
ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice"),
    *("nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
)
"""The limits of setrlimit(2), by the names of Docker's --ulimit."""
SIGNAL = re.compile(r"(?:SIG)?[A-Z][A-Z0-9]*(?:[+-]\d{1,2})?|\d{1,2}", re.ASCII)
RESTART = re.compile(r"(no|always|unless-stopped|on-failure)(?::(\d{1,9}))?", re.ASCII)
POLICIES = "one of no, always, on-failure[:N], unless-stopped"


def _capability(value: Any) -> str:
    name = value.upper().removeprefix("CAP_") if isinstance(value, str) else ""
    if name not in CAPABILITIES:
        raise expected("a capability of Linux such as NET_BIND_SERVICE, or ALL")
    return name


def _ulimit(value: Any) -> str:
    if value not in ULIMITS:
        raise expected(f"one of {', '.join(ULIMITS)}")
    return str(value)


def _signal(value: Any) -> str:
    if not SIGNAL.fullmatch(text := read_text(value)):
        raise expected("a signal such as SIGTERM")
    return text


Capability = Annotated[str, BeforeValidator(_capability, json_schema_input_type=str)]
Signal = Annotated[str, BeforeValidator(_signal, json_schema_input_type=str | int)]
UlimitName = Annotated[str, BeforeValidator(_ulimit, json_schema_input_type=str)]


class Ulimit(Section):
    """A resource limit of setrlimit(2); -1 is no limit."""

    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": ["integer", "string"]},)

    soft: Limit
    """What holds now."""
    hard: Limit
    """How far the process may raise it."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if isinstance(value, int | str) and not isinstance(value, bool):
            return {"soft": value, "hard": value}
        raise expected("a whole number, or a mapping with soft and hard")


class Restart(Section):
    """A restart policy; `max_retries` 0 is no limit, and only on-failure has one."""

    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string", "pattern": f"^({RESTART.pattern})$"},)

    policy: Literal["no", "always", "on-failure", "unless-stopped"]
    """When."""
    max_retries: Natural = 0
    """How often after failures; 0 is no limit."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        match = RESTART.fullmatch(value) if isinstance(value, str) else None
        if match is None or (match[2] and match[1] != "on-failure"):
            raise expected(POLICIES)
        return {"policy": match[1], "max_retries": int(match[2] or 0)}


class Logging(Section):
    """Where the container's output goes."""

    driver: Filled | None = None
    """Docker's name of the driver, such as json-file, local, journald, syslog, none."""
    options: Parameters = Field(default_factory=dict[str, str])
    """The driver's own options."""


class Device(Section):
    """A device of the host."""

    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string", "pattern": "^/"},)

    host: AbsolutePath = Field(alias="source")
    """Its path on the host."""
    container: AbsolutePath = Field(alias="target")
    """Its path in the container."""
    permissions: Annotated[str, Field(pattern="^[rwm]{1,3}$")] = "rwm"
    """Read, write, mknod."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        parts = value.split(":") if isinstance(value, str) else []
        match parts:
            case [host]:
                found = (host, host, "rwm")
            case [host, permissions] if re.fullmatch("[rwm]{1,3}", permissions):
                found = (host, host, permissions)
            case [host, container]:
                found = (host, container, "rwm")
            case [host, container, permissions] if re.fullmatch("[rwm]{1,3}", permissions):
                found = (host, container, permissions)
            case _:
                raise expected("HOST:CONTAINER[:rwm]")
        if not found[0].startswith("/") or not found[1].startswith("/"):
            raise wrong("should have absolute paths, as in '/dev/ttyUSB0:/dev/ttyUSB0:rw'")
        return {"source": found[0], "target": found[1], "permissions": found[2]}


def read_ulimits(value: Any) -> Any:
    """Refuse what is no mapping in the words of a person."""
    if not isinstance(value, Mapping):
        raise expected("a mapping, as in 'nofile: 1024'")
    return value


Ulimits = Annotated[
    Mapping[UlimitName, Ulimit], BeforeValidator(read_ulimits, json_schema_input_type=dict[str, Ulimit])
]

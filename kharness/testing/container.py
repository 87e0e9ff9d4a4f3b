"""One container of the fake, and how its image's labels tell it to behave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kharness.engine.requests import create_body, endpoint_body, health_body, restart_body
from kharness.plan.facts import (
    Change,
    ContainerFacts,
    HealthFacts,
    ImageFacts,
    MountFacts,
    PortRef,
    ProcessFacts,
    PublishedPort,
)
from kharness.plan.launch.runspec import Attachment, MountKind, Publish, RunSpec
from kharness.settings.portrange import PortRange

EXIT = "fake.exit"
"""The exit status with which a container ends as soon as it is started."""
HEALTH = "fake.health"
"""`healthy` (the default), `unhealthy` or `starting`: what a health check says, the engine's and an executed one."""
LISTENS = "fake.listens"
"""The TCP ports that are open, `80,443`, or `no`; by default all that are exposed or published."""
START = "fake.start"
"""Why a container cannot be started."""
LOGS = "fake.logs"
"""What it writes when it starts."""
PROCESSES = "fake.processes"
"""The command lines of what it runs beside its first process, a line for each."""
FIRST_PID = 1000


@dataclass
class FakeContainer:
    """A container; its `files` are those of its image and what was written into it."""

    id: str
    name: str
    spec: RunSpec
    image: ImageFacts
    files: dict[str, bytes]
    created: str
    state: str = "created"
    exit_code: int = 0
    error: str = ""
    started_at: str = "0001-01-01T00:00:00Z"
    restart_count: int = 0
    restart: str = "no"
    retries: int = 0
    logs: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    joined: dict[str, Attachment] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    ports: tuple[PublishedPort, ...] = ()
    mounts: tuple[MountFacts, ...] = ()
    made: frozenset[str] = frozenset()
    """The volumes that were made for it, under names that were made up."""
    memory: int = 1 << 20
    cpu: float = 0.0

    @property
    def running(self) -> bool:
        """Whether it holds its addresses and ports."""
        return self.state in {"running", "paused"}

    @property
    def health_check(self) -> HealthFacts | None:
        """Its health check, None where it has none or it is switched off."""
        check = self.spec.health or self.image.health
        return None if check is None or check.test == ("NONE",) else check

    @property
    def listening(self) -> list[int]:
        """Its open TCP ports."""
        said = self.image.labels.get(LISTENS)
        if said is not None:
            return [] if said == "no" else [int(port) for port in said.split(",")]
        exposed = {*self.image.exposed, *self.spec.expose, *(port.port for port in self.spec.publish)}
        return sorted(port.number for port in exposed if port.protocol == "tcp")

    @property
    def volumes(self) -> set[str]:
        """The volumes that it mounts."""
        return {mount.name for mount in self.mounts if mount.kind == MountKind.VOLUME.value}

    def socket_table(self) -> str:
        """Return its /proc/net/tcp, proc_net(5)."""
        rows = [f"   {row}: 00000000:{port:04X} 00000000:0000 0A 0 0 0" for row, port in enumerate(self.listening)]
        return "\n".join(("  sl  local_address rem_address   st", *rows, ""))

    def processes(self) -> tuple[ProcessFacts, ...]:
        """Return what runs in it: its command, by its user, and what its image says."""
        entrypoint, command = self.spec.entrypoint, self.spec.command
        words = [*(self.image.entrypoint if entrypoint is None else entrypoint)]
        words += [*(self.image.command if command is None else command)]
        uid = (self.spec.user or self.image.user or "0").partition(":")[0]
        commands = [" ".join(words), *self.image.labels.get(PROCESSES, "").splitlines()]
        return tuple(
            ProcessFacts(pid=FIRST_PID + number, ppid=FIRST_PID if number else 1, uid=uid, command=text)
            for number, text in enumerate(commands)
        )

    def end(self, exit_code: int) -> None:
        """Let it exit; its restart policy is looked at by the caller."""
        self.state, self.exit_code = "exited", exit_code
        self.addresses, self.ports = {}, ()

    def facts(self) -> ContainerFacts:
        """Return what an inspect says."""
        return ContainerFacts(
            id=self.id,
            name=self.name,
            image_id=self.image.id,
            image=self.spec.image,
            state=self.state,
            exit_code=self.exit_code,
            error=self.error,
            started_at=self.started_at,
            created=self.created,
            restart_count=self.restart_count,
            restart_policy=self.restart,
            health=self._health(),
            health_check=self.health_check,
            labels={**self.image.labels, **self.spec.labels},
            addresses=dict(self.addresses),
            published=self.ports,
            mounts=self.mounts,
            raw=self._raw(),
        )

    def _health(self) -> str | None:
        if self.health_check is None:
            return None
        if self.running:
            return self.image.labels.get(HEALTH, "healthy")
        return None if self.state == "created" else "unhealthy"

    def _raw(self) -> dict[str, Any]:
        body = create_body(self.spec)
        host = {**body.pop("HostConfig"), "RestartPolicy": restart_body(self.restart, retries=self.retries)}
        host.setdefault("MemorySwap", 2 * (host.get("Memory") or 0))
        body.pop("NetworkingConfig", None)
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "Image": self.image.id,
            "Config": {**body, **self._merged()},
            "HostConfig": host,
            "Mounts": [
                {
                    "Type": mount.kind,
                    "Name": mount.name,
                    "Source": mount.source,
                    "Destination": mount.target,
                    "RW": mount.writable,
                }
                for mount in self.mounts
            ],
            "NetworkSettings": {"Networks": {name: endpoint_body(said) for name, said in self.joined.items()}},
            "State": {"Status": self.state, "ExitCode": self.exit_code, "Running": self.running},
        }

    def _merged(self) -> dict[str, Any]:
        # The image's configuration stands in for what was not asked for.
        spec, image = self.spec, self.image
        check = spec.health or image.health
        variables = {name: value for name, _, value in (entry.partition("=") for entry in image.environment)}
        variables |= spec.environment
        command = spec.command or (() if spec.entrypoint else image.command)
        return {
            "Entrypoint": list(image.entrypoint if spec.entrypoint is None else spec.entrypoint),
            "Cmd": list(command),
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "User": spec.user or image.user,
            "Labels": {**image.labels, **spec.labels},
            "Healthcheck": health_body(check) if check else None,
        }


def _host_port(port: Publish, free: int) -> int:
    return port.host_port.first if isinstance(port.host_port, PortRange) else port.host_port or free


def published(spec: RunSpec, *, free: int) -> tuple[PublishedPort, ...]:
    """Return the ports as they are published; those left to the engine are counted up from `free`."""
    return tuple(
        PublishedPort(
            port=PortRef(port.port.number, port.port.protocol),
            host_ip=port.host_ip or "0.0.0.0",  # noqa: S104 - the engine's default
            host_port=_host_port(port, free + number),
        )
        for number, port in enumerate(spec.publish)
    )

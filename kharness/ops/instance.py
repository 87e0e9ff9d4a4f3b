"""One running container, as tests see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from kharness.engine.api import Engine
from kharness.errors import ContainerMissingError, HostError, UsageError
from kharness.ops.instancefacts import InstanceFacts
from kharness.ops.listening import listening
from kharness.ops.readiness import wait_ready
from kharness.ops.testvolume import TestVolume
from kharness.ops.waiting import NotYetError
from kharness.plan.facts import Change, ContainerFacts, ExecResult, ImageFacts, PortRef, ProcessFacts
from kharness.plan.modes import Mode
from kharness.plan.readiness import ReadyCheck
from kharness.plan.runspec import RunSpec

INIT, INIT_HOME = "/sbin/docker-init", "/sbin"
"""What an engine adds to a container with `init`, and where."""


class Instance:
    """A container under test: a test instance, or the production instance in `in-prod` mode."""

    def __init__(
        self,
        engine: Engine,
        facts: InstanceFacts,
        *,
        ready: Callable[[], ReadyCheck],
        ready_timeout: float,
        secrets: Iterable[str] = (),
    ) -> None:
        self.facts = facts
        self.secrets = frozenset(secrets)
        """Values that no report may show."""
        self._engine = engine
        self._ready = ready
        self._ready_timeout = ready_timeout
        self._address = facts.address

    def __repr__(self) -> str:
        return f"<{self.facts.mode} instance {self.name}>"

    @property
    def name(self) -> str:
        """The container's name on the engine."""
        return self.facts.container

    @property
    def id(self) -> str:
        """The container's id."""
        return self.facts.id

    @property
    def image(self) -> str:
        """The id of its image."""
        return self.facts.image

    @property
    def mode(self) -> Mode:
        """The mode of the session."""
        return Mode(self.facts.mode)

    @property
    def address(self) -> str:
        """Its IPv4 address, or 127.0.0.1 where its ports are published because the address cannot be routed."""
        return self._address

    @property
    def is_running(self) -> bool:
        """Whether its first process runs."""
        found = self._engine.container(self.id)
        return found is not None and found.running

    def endpoint(self, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """Return address and port under which the container's port is reached from here."""
        published = self.facts.published.get(f"{port}/{protocol}")
        if published is not None:
            return ("127.0.0.1", published)
        return (self.address, port)

    def url(self, port: int | None = None, path: str = "/", scheme: str = "http") -> str:
        """Return a URL; without a port, of the first exposed TCP port."""
        host, number = self.endpoint(self._first_port() if port is None else port)
        return f"{scheme}://{host}:{number}/{path.lstrip('/')}"

    def exec(
        self,
        *argv: str,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> ExecResult:
        """Run a command inside, each argument as it is; TimeoutError after `timeout` seconds."""
        return self._engine.exec(self.id, argv, user=user, environment=environment, timeout=timeout)

    def logs(self) -> str:
        """Return all its output so far."""
        return self._engine.logs(self.id)

    def processes(self) -> tuple[ProcessFacts, ...]:
        """Return the processes that run in it, executed commands too."""
        return self._engine.processes(self.id)

    def listening(self) -> frozenset[int]:
        """Return the TCP ports on which it listens for others than itself; `HostError` where nobody can see them."""
        try:
            return listening(self._engine, self._facts())
        except NotYetError as error:
            raise HostError(f"{self.name}: {error}") from error

    def diff(self) -> tuple[Change, ...]:
        """Return what its file system has that the image does not, volumes and the engine's own init aside."""
        found = self._engine.diff(self.id)
        rest = tuple(change for change in found if change.path != INIT)
        if len(rest) == len(found) or any(change.path.startswith(f"{INIT_HOME}/") for change in rest):
            return rest
        return tuple(change for change in rest if change.path != INIT_HOME)

    def inspect(self) -> Mapping[str, Any]:
        """Return the engine's whole answer about it."""
        return self._facts().raw

    def image_facts(self) -> ImageFacts:
        """Return what the engine says about its image."""
        found = self._engine.image(self.image)
        if found is None:
            raise ContainerMissingError(f"{self.name}: its image {self.image} is gone")
        return found

    def volume(self, name: str) -> TestVolume:
        """Return the directory mounted at a target, or in place of a source, of the settings.

        Raises `UsageError` where there is none, `HostError` where this host cannot see it.
        """
        path = self.facts.volumes.get(name) or self.facts.volumes.get(name.removeprefix("./").rstrip("/"))
        if path is None:
            known = ", ".join(sorted(self.facts.volumes)) or "none"
            raise UsageError(f"{self.name}: has no volume {name!r}; it has: {known}")
        if not Path(path).exists():
            raise HostError(f"{self.name}: {path}: cannot be seen from this host")
        note = self.facts.notes.get(path)
        return TestVolume(Path(path), note=Path(note) if note else None)

    def wait_ready(self, timeout: float | None = None) -> float:
        """Wait until it is ready and return the seconds it took; `LaunchError` when it does not become so."""
        spec = RunSpec(name=self.name, image=self.image)
        return wait_ready(self._engine, self.id, self._ready(), spec=spec, timeout=timeout or self._ready_timeout)

    def stop(self) -> None:
        """Stop it."""
        self._engine.stop(self.id, timeout=2)

    def start(self) -> None:
        """Start it again and wait until it is ready."""
        self._engine.start(self.id)
        self._changed()

    def restart(self) -> None:
        """Stop it, start it and wait until it is ready."""
        self.stop()
        self.start()

    def kill(self, signal: str = "KILL") -> None:
        """Send a signal to its first process."""
        self._engine.kill(self.id, signal=signal)

    def _changed(self) -> None:
        # A restarted container may have another address.
        self.wait_ready()
        if not self.facts.published:
            self._address = next(iter(self._facts().addresses.values()), self._address)

    def _facts(self) -> ContainerFacts:
        found = self._engine.container(self.id)
        if found is None:
            raise ContainerMissingError(f"{self.name}: the container is gone")
        return found

    def _first_port(self) -> int:
        ports = [PortRef.parse(text) for text in self.facts.ports]
        for port in ports:
            if port.protocol == "tcp":
                return port.number
        raise UsageError(f"{self.name}: exposes no TCP port; say which one is meant")

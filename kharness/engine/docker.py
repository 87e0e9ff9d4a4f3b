"""DockerEngine: the Engine Protocol over the Docker Engine API."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from kharness.engine import answers
from kharness.engine.build import Builds
from kharness.engine.containers import Containers
from kharness.engine.execs import Execs
from kharness.engine.images import Images
from kharness.engine.local import shares_mounts, shares_network
from kharness.engine.networks import Networks, Volumes
from kharness.engine.transport import SocketClient
from kharness.engine.wire import Wire
from kharness.errors import EngineError
from kharness.plan.facts import EngineFacts, serves
from kharness.plan.launch.runspec import API as NEWER
from kharness.plan.launch.runspec import MountKind, RunSpec
from kharness.plan.text import moment


class DockerEngine(Images, Builds, Networks, Containers, Execs, Volumes):
    """An engine that speaks the Docker Engine API; `kharness.engine.connect` makes one."""

    def __init__(self, wire: Wire, *, version: Mapping[str, Any], socket: str | None) -> None:
        """Take a connection, the engine's answer to `/version`, and its unix socket's path if it has one."""
        self._wire = wire
        self._version = version
        self._socket = socket
        self._facts: EngineFacts | None = None
        self._lock = threading.Lock()

    @property
    def socket(self) -> str | None:
        """The path of its unix socket on this host, None where it is not behind one."""
        return self._socket

    def over(self, client: SocketClient) -> DockerEngine:
        """Return the same engine over another connection; what is known of it is not asked again."""
        wire = Wire(client, version=self._wire.version, endpoint=self._wire.endpoint)
        found = DockerEngine(wire, version=self._version, socket=self._socket)
        found._facts = self._facts
        return found

    def facts(self) -> EngineFacts:
        """Ask the engine about itself, once."""
        with self._lock:
            if self._facts is None:
                self._facts = self._ask_facts()
            return self._facts

    def create(self, spec: RunSpec) -> str:
        """Create a container; Podman would make a source of a mount that is missing."""
        if answers.is_podman(self._version) and self.facts().shares_mounts:
            for mount in spec.mounts:
                if mount.kind is MountKind.BIND and not Path(mount.source or "").exists():
                    raise EngineError(f"container {spec.name}: bind source path does not exist: {mount.source}")
        return super().create(spec)

    def remove(self, container: str, *, force: bool = False, volumes: bool = True) -> None:
        """Remove a container; by force Podman would wait for its grace period first, where Docker kills at once."""
        if force and answers.is_podman(self._version):
            with suppress(EngineError):
                self.kill(container)
        super().remove(container, force=force, volumes=volumes)

    @property
    def _serves_newer(self) -> bool:
        return serves(str(self._version.get("ApiVersion") or ""), NEWER)

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._wire.client.close()

    def _ask_facts(self) -> EngineFacts:
        info = self._wire.ask("GET", "/info")
        now = time.time()
        local = self._socket is not None and shares_network(self._socket, info, self._bridges)
        facts = answers.engine_facts(
            info, self._version, api_version=self._wire.version, local=local, endpoint=self._wire.endpoint
        )
        said = moment(info.get("SystemTime") or "")
        return replace(
            facts,
            shares_mounts=local and self._socket is not None and shares_mounts(self._socket),
            clock_ahead=said.timestamp() - now if said else None,
        )

    def _bridges(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._wire.ask("GET", "/networks", params={"filters": '{"driver":["bridge"]}'})
        return found or []

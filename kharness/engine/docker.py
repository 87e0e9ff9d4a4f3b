"""DockerEngine: the Engine Protocol over the Docker SDK's transports."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kharness.engine import answers
from kharness.engine.build import Builds
from kharness.engine.containers import Containers
from kharness.engine.execs import Execs
from kharness.engine.images import Images
from kharness.engine.local import shares_mounts, shares_network
from kharness.engine.networks import Networks
from kharness.engine.unixsocket import SocketClient
from kharness.engine.volumes import Volumes
from kharness.engine.wire import Wire
from kharness.plan.facts import EngineFacts
from kharness.plan.times import moment


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

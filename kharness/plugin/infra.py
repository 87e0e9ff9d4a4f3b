"""testinfra inside a container, over the engine's exec instead of a spawned client."""

from __future__ import annotations

from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from kharness.engine.api import Engine
from kharness.ops.session.instance import Instance


class EngineBackend(BaseBackend):  # type: ignore[misc]
    """Runs testinfra's commands with `sh` in a container."""

    NAME = "kharness"

    def __init__(self, engine: Engine, container: Instance) -> None:
        self._engine = engine
        self._container = container
        super().__init__(container.name)

    def run(self, command: str, *args: str, **_kwargs: Any) -> CommandResult:
        """Run a command line; testinfra quotes the arguments."""
        line = self.get_command(command, *args)
        code, out, err = self._engine.exec_raw(self._container.id, ("/bin/sh", "-c", line))
        return self.result(code, self.encode(line), out, err)


def testinfra_host(engine: Engine, container: Instance) -> Host:
    """Return a testinfra host that is this container, and never the machine itself."""
    backend = EngineBackend(engine, container)
    host = Host(backend)
    backend.set_host(host)
    return host


testinfra_host.__test__ = False  # type: ignore[attr-defined]

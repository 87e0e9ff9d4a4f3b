"""Start the containers that start with the host, wave by wave."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kharness.errors import KharnessError
from kharness.ops.harness import Harness
from kharness.ops.relaunch import relaunch
from kharness.plan.waves import waves
from kharness.settings.model import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """How a container came up: `running` already, `started` now, or `failed` with a reason."""

    name: str
    state: str
    reason: str = ""


def up_all(harness: Harness, fleet: Mapping[str, Settings], *, host: str | None = None) -> tuple[Up, ...]:
    """Launch what does not run from its `:live` image; a wave begins when the one before is ready, or has failed.

    What fails keeps nothing else from starting. `host` is this host's name.
    """
    found: list[Up] = []
    with ThreadPoolExecutor(harness.host.launch_parallel) as pool:
        for wave in waves(fleet, host=host or socket.gethostname()):
            found += pool.map(lambda name: _up(harness, name, fleet[name]), wave)
    return tuple(found)


def _up(harness: Harness, name: str, settings: Settings) -> Up:
    try:
        present = harness.engine.container(settings.container_name or name)
        if present is not None and present.running:
            return Up(name=name, state="running")
        relaunch(harness, harness.catalog.select(name, prefix=False))
    except KharnessError as error:
        harness.report(name, "did not come up")
        return Up(name=name, state="failed", reason=str(error))
    return Up(name=name, state="started")

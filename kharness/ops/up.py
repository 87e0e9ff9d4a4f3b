"""Launch what does not run: one container, or those that start with the host, wave by wave."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kharness.errors import KharnessError
from kharness.ops.harness import Harness
from kharness.ops.present import present
from kharness.ops.relaunch import check_launch, relaunch
from kharness.plan.waves import waves
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """How a container came up: `running` already, `started` now or to be, or `failed` with a reason.

    `image` is the id of the one that it runs from, `live` that of what is live.
    """

    name: str
    state: str
    reason: str = ""
    image: str = ""
    live: str | None = None


def up(harness: Harness, directory: ContainerDir, *, dry_run: bool = False) -> Up:
    """Launch a container from its `:live` image unless it runs; with `dry_run` only look whether that can be done.

    Raises what `relaunch` does.
    """
    name = directory.name
    found = present(harness, name)
    live = harness.engine.image(harness.tags(name).live)
    if found is not None and found.running:
        return Up(name=name, state="running", image=found.image_id, live=live.id if live else None)
    image = check_launch(harness, directory) if dry_run else relaunch(harness, directory).image_id
    return Up(name=name, state="started", image=image, live=image)


def up_all(harness: Harness, fleet: Mapping[str, Settings], *, host: str | None = None) -> tuple[Up, ...]:
    """Launch what does not run from its `:live` image; a wave begins when the one before is ready, or has failed.

    What fails keeps nothing else from starting. `host` is this host's name.
    """
    found: list[Up] = []
    with ThreadPoolExecutor(harness.host.launch_parallel) as pool:
        for wave in waves(fleet, host=host or socket.gethostname()):
            found += pool.map(lambda name: _up(harness, name), wave)
    return tuple(found)


def _up(harness: Harness, name: str) -> Up:
    try:
        return up(harness, harness.catalog.select(name, prefix=False))
    except KharnessError as error:
        harness.report(name, "did not come up")
        return Up(name=name, state="failed", reason=str(error))

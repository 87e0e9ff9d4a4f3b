"""Which containers have a directory of this host in hand."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from kharness.engine.api import Engine
from kharness.ops.harness import Harness
from kharness.plan.facts import ContainerFacts, MountFacts
from kharness.plan.mounters import mounters


def running_mounters(harness: Harness, path: Path, *, writable: bool = False) -> tuple[ContainerFacts, ...]:
    """Return the running containers, test instances aside, that mount the path, or what is above or below it.

    One that the engine is about to start again counts.
    """
    listed = (found for found in harness.engine.containers() if found.up)
    running = located(harness.engine, listed)
    return mounters(running, os.path.realpath(path), writable=writable)


def located(engine: Engine, listed: Iterable[ContainerFacts]) -> tuple[ContainerFacts, ...]:
    """Return listed containers with the real places of what they mount. Raises `EngineError`."""
    # Podman's list does not always have the mounts.
    partial = engine.facts().podman
    found = (engine.container(each.id) if partial else each for each in listed)
    return tuple(
        replace(each, mounts=tuple(replace(mount, source=_place(engine, mount)) for mount in each.mounts))
        for each in found
        if each is not None
    )


def _place(engine: Engine, mount: MountFacts) -> str:
    if mount.source or not mount.name:
        # It may be a link to the same place.
        return os.path.realpath(mount.source) if mount.source else ""
    # The list of containers does not always say where a named volume is.
    volume = engine.volume(mount.name)
    return volume.directory if volume else ""

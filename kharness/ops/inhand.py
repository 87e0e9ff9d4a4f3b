"""Which running containers have a directory of this host in hand."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from kharness.ops.harness import Harness
from kharness.plan.facts import ContainerFacts, MountFacts
from kharness.plan.mounters import mounters


def running_mounters(harness: Harness, path: Path, *, writable: bool = False) -> tuple[ContainerFacts, ...]:
    """Return the running containers, test instances aside, that mount the path, or what is above or below it."""
    running = [_located(harness, found) for found in harness.engine.containers() if found.running]
    return mounters(running, os.path.realpath(path), writable=writable)


def _located(harness: Harness, found: ContainerFacts) -> ContainerFacts:
    # A source may be a link to the same place.
    return replace(found, mounts=tuple(replace(mount, source=_place(harness, mount)) for mount in found.mounts))


def _place(harness: Harness, mount: MountFacts) -> str:
    if mount.source or not mount.name:
        return os.path.realpath(mount.source) if mount.source else ""
    # The list of containers does not always say where a named volume is.
    volume = harness.engine.volume(mount.name)
    return volume.mountpoint if volume else ""

"""Containers that have a directory of this host mounted."""

from __future__ import annotations

from pathlib import Path

from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from tests.ops.world import World


def running(
    world: World, data: Path, name: str = "web", *, ours: bool = True, read_only: bool = False
) -> ContainerFacts:
    """Let a container run that has the data mounted."""
    said = world.production(name, "web:1") if ours else {}
    mount = Mount(kind=MountKind.BIND, source=str(data), target="/data", read_only=read_only)
    container = world.engine.create(RunSpec(name=name, image="web:1", mounts=(mount,), labels=said))
    world.engine.start(container)
    found = world.engine.container(container)
    assert found is not None
    return found

"""A witness of the session of `web`, and containers that have what it looks at mounted."""

from __future__ import annotations

from pathlib import Path

from kharness.ops.session.untouched import Witness
from kharness.plan import labels
from kharness.plan.launch.mounts import VolumeAction, VolumePlan
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from tests.ops.world import World


def copied(path: Path, action: VolumeAction = VolumeAction.COPY) -> VolumePlan:
    mount = Mount(kind=MountKind.BIND, source=str(path.parent / "scratch"), target="/data")
    return VolumePlan(mount=mount, action=action, real=str(path))


def looked(world: World, *paths: Path, of: str = "web", contents: bool = False) -> Witness:
    """Return a witness of web's session that has looked at these directories."""
    witness = Witness(world.harness(), contents=contents)
    witness.begin({"web": "web"})
    witness.before(of, "web", "web", tuple(map(copied, paths)))
    return witness


def run(
    world: World, name: str, source: Path, *, start: bool = True, read_only: bool = False, test: bool = False
) -> str:
    """Let a container of production, or of a test, mount a directory."""
    said = {labels.ROLE: labels.ROLE_TEST} if test else world.production(name, "web:1")
    mount = Mount(kind=MountKind.BIND, source=str(source), target="/data", read_only=read_only)
    container = world.engine.create(RunSpec(name=name, image="web:1", mounts=(mount,), labels=said))
    if start:
        world.engine.start(container)
    return container

"""Containers in a world with the fake engine, and their scans."""

from __future__ import annotations

from datetime import date

from kharness.ops.drift.scan import chosen, scan
from kharness.plan.drift.changes import ScanResult
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from tests.ops.world import World

TODAY = date(2027, 3, 1)


def launched(world: World, name: str, *, ours: bool = True, running: bool = True) -> ContainerFacts:
    engine = world.engine
    if engine.image("web:1") is None:
        engine.put_image("web:1", files={"/etc/passwd": b"root"}, labels={"traefik.enable": "true"})
    said = world.production(name, "web:1") if ours else {}
    mounts = (Mount(kind=MountKind.VOLUME, source="v", target="/data"),)
    container = engine.create(RunSpec(name=name, image="web:1", labels=said, mounts=mounts))
    if running:
        engine.start(container)
    facts = engine.container(container)
    assert facts is not None
    return facts


def scanned(world: World, *names: str) -> dict[str, ScanResult]:
    harness = world.harness()
    return {each.name: each for each in scan(harness, chosen(harness, names), today=TODAY)}

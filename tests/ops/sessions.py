"""Sessions of tests on the engine in memory."""

from __future__ import annotations

from typing import Any

from kharness.ops.session.session import TestSession
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.plan import Subject
from kharness.plan.session.modes import Mode
from tests.ops.world import World

NAME = "test-web-s1"
VOLUMES = "volumes: [./data:/data, cache:/cache]\n"


def opened(world: World, *, mode: Mode = Mode.STANDALONE, keep: str | None = None, **host: Any) -> TestSession:
    return TestSession(world.harness(**host), session="s1", mode=mode, keep=keep)


def web(world: World, image: ImageFacts, settings: str = "{}") -> Subject:
    world.add("web", settings)
    return world.subject("web", image)


def rest(world: World) -> list[str]:
    """Name what is left of a session, on the engine and on the host."""
    engine = world.engine
    nets = [name for name in engine.nets if name not in {"bridge", "host", "none"}]
    copies = [str(path) for path in (world.path / "state").glob("copies/*")]
    return [*(box.name for box in engine.boxes.values()), *nets, *engine.vols, *copies]

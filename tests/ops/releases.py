"""Production of a container `web` on the engine in memory: what it is, and launches of it that fail on demand."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kharness.ops.release.release import launch
from kharness.ops.release.work import Tests
from kharness.plan.facts import HealthFacts, ImageFacts
from kharness.plan.release.operation import Provenance, Released
from kharness.testing import FakeEngine
from kharness.testing.recording import Call
from tests.ops.world import World

SETTINGS = """\
    restart: on-failure:5
    ports: [8080:80]
    volumes: [./data:/data]
    release: {verify_for: 0s}
    test: {ports: []}
"""
HEALTH = HealthFacts(test=("CMD", "healthy"))
EVIDENCE = Provenance(session="s1", tests=3, digest="d1", commit="c1")
READING = (
    "facts",
    "request_of",
    "container",
    "containers",
    "image",
    "images",
    "network",
    "networks",
    "volume",
    "logs",
    "exec",
    "read_file",
    "usage",
)
"""Calls that change nothing."""
BY_HAND = re.compile(r"by hand: (docker .*)")


@dataclass(frozen=True)
class Snapshot:
    """What must be as it was: containers (name, image, state, policy, retries), and what the tags name."""

    containers: frozenset[tuple[str, str, str, str, int]]
    live: str | None
    prev: str | None


class Production:
    """`web` in production. `together` has the moments at which two of it ran."""

    def __init__(self, path: Path, settings: str = SETTINGS) -> None:
        self.world = World.create(path)
        self.world.add("web", settings)
        self.engine = self.world.engine
        self.together: list[str] = []
        self.engine.after = self._watch

    def image(self, version: str, **facts: Any) -> ImageFacts:
        facts.setdefault("files", {"/etc/passwd": b"", "/etc/group": b""})
        return self.engine.put_image(f"built/web:{version}", **facts)

    def launch(self, image: ImageFacts, *, verify: Tests = lambda: (), tests: int = 1, **host: Any) -> Released:
        subject = self.world.subject("web", image)
        return launch(self.world.harness(**host), subject, EVIDENCE, in_prod_tests=tests, verify=verify)

    def snapshot(self) -> Snapshot:
        # A candidate that was created and never started is in nobody's way: the next launch removes it.
        found = [box for box in self.engine.boxes.values() if (box.name, box.state) != ("web.new", "created")]
        return Snapshot(
            frozenset((box.name, box.image.id, box.state, box.restart, box.retries) for box in found),
            self.world.tagged("ktools/web:live"),
            self.world.tagged("ktools/web:prev"),
        )

    def changes(self) -> tuple[str, ...]:
        """Return the calls that changed something, in order; the names of releases without their times."""
        calls = (str(call) for call in self.engine.calls if call.name not in READING)
        return tuple(re.sub(r":release-[0-9-]+", ":release-N", call) for call in calls)

    def forget(self) -> None:
        """Begin to record anew."""
        self.engine.calls.clear()

    def fail(self, error: BaseException, *, number: int, when: str, onwards: bool = False) -> list[str]:
        """Let a call fail, counted from 0 from now on, before or after its effect; returns the calls that did."""
        failed: list[str] = []
        seen = [0]

        def before(call: Call) -> None:
            seen[0] += 1
            if when == "before":
                strike(call)

        def after(call: Call) -> None:
            self._watch(call)
            if when == "after":
                strike(call)

        def strike(call: Call) -> None:
            if seen[0] == number + 1 or (onwards and seen[0] > number):
                failed.append(str(call))
                raise error

        self.engine.before, self.engine.after = before, after
        return failed

    def heal(self) -> None:
        """Let no call fail any more."""
        self.engine.before, self.engine.after = _nothing, self._watch

    def _watch(self, call: Call) -> None:
        up = [box.name for box in self.engine.boxes.values() if box.running or box.state == "restarting"]
        if len([name for name in up if name.startswith("web")]) > 1:
            self.together.append(f"{call}: {', '.join(up)}")


def do_by_hand(engine: FakeEngine, text: str) -> int:
    """Do what a text tells a person to do, in its order; returns how much that was."""
    found = BY_HAND.findall(text)
    for line in found:
        _do(engine, shlex.split(line)[1:])
    return len(found)


def _do(engine: FakeEngine, words: list[str]) -> None:
    match words:
        case ["ps", "-aq", "--filter", label, "|", "xargs", "-r", "docker", "rm", "-f"]:
            name, _, value = label.removeprefix("label=").partition("=")
            for container in engine.containers(labels={name: value}):
                engine.remove(container.id, force=True)
        case ["rm", container]:
            engine.remove(_whole(engine, container))
        case ["rename", container, name]:
            # The engine refuses to give a container the name that it has, and a person reads why.
            if engine.boxes[_whole(engine, container)].name != name:
                engine.rename(_whole(engine, container), name)
        case ["update", "--restart", policy, container]:
            name, _, retries = policy.partition(":")
            engine.set_restart(_whole(engine, container), name, retries=int(retries or 0))
        case ["start", container]:
            engine.start(_whole(engine, container))
        case ["tag", image, ref]:
            engine.tag(image, ref)
        case ["rmi", ref]:
            engine.untag(ref)
        case other:
            raise AssertionError(f"nobody can do {other}")


def _whole(engine: FakeEngine, container: str) -> str:
    return next((found for found in engine.boxes if found.startswith(container)), container)


def _nothing(_call: Call) -> None:
    pass


def ledger(web: Production) -> list[tuple[str, str, str | None, str]]:
    rows = web.world.harness().state.releases("web")
    return [(row.kind, row.image_id, row.previous, row.note) for row in reversed(rows)]


def exits(web: Production) -> ImageFacts:
    return web.image("bad", labels={"fake.exit": "3", "fake.logs": "no database"})


def does_not_start(web: Production) -> ImageFacts:
    return web.image("bad", labels={"fake.start": "exec: no such file"})


def is_unhealthy(web: Production) -> ImageFacts:
    return web.image("bad", health=HEALTH, labels={"fake.health": "unhealthy"})


def listens_nowhere(web: Production) -> ImageFacts:
    return web.image("bad", labels={"fake.listens": "no"})

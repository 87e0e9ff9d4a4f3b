"""Two projects on one engine, with directories of the same names: what one of them does, and what the other has."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kharness.engine.api import Engine
from kharness.errors import KharnessError
from kharness.ops.drift.scan import chosen, scan
from kharness.ops.drift.watch import ResponseOptions, respond
from kharness.ops.harness import Harness
from kharness.ops.image.prune import prune
from kharness.ops.launch.subject import instance_subject, production_subject
from kharness.ops.launch.up import up
from kharness.ops.project.rename import rename
from kharness.ops.project.retire import retire
from kharness.ops.release.recover import recover
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.release import launch, promote
from kharness.ops.release.rollback import roll_back
from kharness.ops.release.stopping import down, kill, restart
from kharness.ops.session.reap import reap
from kharness.ops.session.session import TestSession
from kharness.ops.volumes.backup import backup
from kharness.ops.volumes.restore import plan_restoration, restore
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.release.operation import Provenance
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.testing import FakeEngine
from kharness.testing.recording import Call
from tests.ops.world import World

EVIDENCE = Provenance(session="s", tests=1)
SETTINGS = "restart: always\nrelease: {verify_for: 0s}\nvolumes: [./data:/data]\n"


class Killed(BaseException):
    """The process is gone."""


class Project(Protocol):
    """A project whose commands are carried out, each by a harness of its own, as by a process of its own."""

    def harness(self) -> Harness: ...


@dataclass
class Neighbour:
    """A project with directories of some names, and two images for each of them."""

    project: Project
    names: tuple[str, ...]
    images: Mapping[str, tuple[ImageFacts, ImageFacts]]
    done: list[str] = field(default_factory=list)
    """What was done, in order."""

    def act(self, chance: random.Random) -> None:
        """Do something that a person could do in the project; what is refused has done nothing."""
        name = chance.choice(self.names)
        # Without production most of the others are refused.
        what = chance.choice([*ACTS, *["launch", "promote"] * 4])
        self.done.append(f"{self.project.harness().project.name}: {what} {name}")
        with suppress(KharnessError):
            ACTS[what](self, self.project.harness(), name, chance)

    def image(self, name: str, chance: random.Random) -> ImageFacts:
        return chance.choice(self.images[name])

    def directory(self, name: str) -> ContainerDir:
        return self.project.harness().catalog.select(name, prefix=False)


def in_memory(path: Path, chance: random.Random) -> tuple[Neighbour, Neighbour]:
    """Make two projects with a `web` and a `db` each, whose containers have the same names, or others."""
    engine = FakeEngine(root=path / "engine")
    found = []
    for project in ("a", "b"):
        world = World(path / project, engine, project=project, repository=project)
        images = {}
        for name in ("web", "db"):
            own = f"container_name: {project}-{name}\n" if chance.random() < 0.5 else ""
            world.add(name, f"{SETTINGS}{own}")
            one, two = (engine.put_image(f"{project}-built/{name}:{version}") for version in "12")
            images[name] = (one, two)
        found.append(Neighbour(world, ("web", "db"), images))
    return found[0], found[1]


def play(path: Path, chance: random.Random, rounds: int) -> Iterator[tuple[str, frozenset[tuple[str, ...]]]]:
    """Let two projects act in turn in the model, and be killed at it; yields what was done and what the other lost."""
    both = in_memory(path, chance)
    engine = both[0].project.harness().engine
    assert isinstance(engine, FakeEngine)
    for _ in range(rounds):
        acting, other = both if chance.random() < 0.5 else both[::-1]
        before = belongings(engine, other.project.harness())
        _die_sometimes(engine, chance)
        with suppress(Killed):
            acting.act(chance)
        engine.before = lambda _call: None
        yield acting.done[-1], before ^ belongings(engine, other.project.harness())


def _die_sometimes(engine: FakeEngine, chance: random.Random) -> None:
    """Let the process be killed at some call, or not; all that it still tries then comes to nothing."""
    left = chance.randrange(30) if chance.random() < 0.3 else None

    def before(_call: Call) -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                raise Killed

    engine.before = before


def _launch(of: Neighbour, harness: Harness, name: str, chance: random.Random) -> None:
    directory = of.directory(name)
    subject = production_subject(harness, directory, harness.settings(directory), of.image(name, chance))
    reasons = ("a test failed",) if chance.random() < 0.3 else ()
    launch(harness, subject, EVIDENCE, in_prod_tests=1, verify=lambda: reasons)


def _promote(of: Neighbour, harness: Harness, name: str, chance: random.Random) -> None:
    promote(harness, name, of.image(name, chance).id, EVIDENCE)


def _run(of: Neighbour, harness: Harness, name: str, _chance: random.Random) -> None:
    relaunch(harness, of.directory(name))


def _up(of: Neighbour, harness: Harness, name: str, _chance: random.Random) -> None:
    up(harness, of.directory(name))


def _down(_of: Neighbour, harness: Harness, name: str, _chance: random.Random) -> None:
    down(harness, name)


def _restart(of: Neighbour, harness: Harness, name: str, _chance: random.Random) -> None:
    restart(harness, of.directory(name))


def _kill(_of: Neighbour, harness: Harness, name: str, _chance: random.Random) -> None:
    kill(harness, name, "HUP")


def _roll_back(of: Neighbour, harness: Harness, name: str, _chance: random.Random) -> None:
    roll_back(harness, of.directory(name), verify=lambda: ())


def _prune(_of: Neighbour, harness: Harness, _name: str, _chance: random.Random) -> None:
    list(prune(harness, keep=1))


def _reap(_of: Neighbour, harness: Harness, _name: str, chance: random.Random) -> None:
    reap(harness, kept=chance.random() < 0.5)


def _recover(_of: Neighbour, harness: Harness, _name: str, _chance: random.Random) -> None:
    recover(harness)


def _cowscan(_of: Neighbour, harness: Harness, _name: str, _chance: random.Random) -> None:
    found = scan(harness, chosen(harness, ()), layers=False)
    list(respond(harness, found, ResponseOptions(remove=True, restart=True)))


def _test(of: Neighbour, harness: Harness, name: str, chance: random.Random) -> None:
    directory = of.directory(name)
    keep = "always" if chance.random() < 0.3 else None
    session = TestSession(harness, session=secrets.token_hex(4), mode=Mode.STANDALONE, keep=keep)
    subject = instance_subject(directory, harness.settings(directory), of.image(name, chance))
    session.launch(subject)
    if chance.random() < 0.7:
        session.close()


def _retire(_of: Neighbour, harness: Harness, name: str, chance: random.Random) -> None:
    retire(harness, name, dry_run=chance.random() < 0.7)


def _rename(of: Neighbour, harness: Harness, name: str, chance: random.Random) -> None:
    # There and back, or only there: the other name is the other directory's, or that of none.
    other = chance.choice([*of.names, f"{name}-2"])
    if chance.random() < 0.7:
        down(harness, name)
    rename(harness, name, other)
    if chance.random() < 0.9:
        rename(harness, other, name)


def _back_up(of: Neighbour, harness: Harness, name: str, chance: random.Random) -> None:
    done = backup(harness, name, now=time.time())
    if chance.random() < 0.5:
        directory = of.directory(name)
        restore(harness, directory, plan_restoration(harness, directory, file=done.path))


ACTS: Mapping[str, Callable[[Neighbour, Harness, str, random.Random], None]] = {
    "launch": _launch,
    "promote": _promote,
    "run": _run,
    "up": _up,
    "down": _down,
    "restart": _restart,
    "kill": _kill,
    "rollback": _roll_back,
    "prune": _prune,
    "reap": _reap,
    "recover": _recover,
    "cowscan": _cowscan,
    "test": _test,
    "retire": _retire,
    "rename": _rename,
    "backup": _back_up,
}


def belongings(engine: Engine, project: Harness) -> frozenset[tuple[str, ...]]:
    """Return what a project has on an engine, as it is: each container, image, network and volume with its state."""
    found = (*_containers(engine, project), *_images(engine, project), *_rest(engine, project), *_data(project))
    return frozenset(found)


def _containers(engine: Engine, project: Harness) -> Iterator[tuple[str, ...]]:
    for each in engine.containers(labels={labels.PROJECT: project.project.name}):
        found: ContainerFacts | None = engine.container(each.id)
        if found is not None:
            told = (found.state, found.restart_policy, found.started_at, str(found.restart_count), found.image_id)
            yield ("container", found.id, found.name, *told)


def _images(engine: Engine, project: Harness) -> Iterator[tuple[str, ...]]:
    for image in engine.images():
        yield from (("tag", tag, image.id) for tag in image.tags if tag.startswith(f"{project.repository}/"))


def _rest(engine: Engine, project: Harness) -> Iterator[tuple[str, ...]]:
    said = {labels.PROJECT: project.project.name}
    yield from (("network", each.id, each.name) for each in engine.networks(labels=said))
    yield from (("volume", each.name) for each in engine.volumes(labels=said))


def _data(project: Harness) -> Iterator[tuple[str, ...]]:
    root = Path(project.host.dv)
    if root.is_dir():
        yield from (("path", str(path), str(path.lstat().st_ino)) for path in root.rglob("*"))

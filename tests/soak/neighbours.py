"""Two projects with directories of the same names on a real engine: whatever one does, the other keeps what it has."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import click

from kharness.engine.api import Engine
from kharness.ops.harness import Harness
from kharness.ops.session.reap import reap
from tests.ops.neighbours import Neighbour, belongings
from tests.ops.site import Site
from tests.soak.victim import run

NAMES = ("web", "db")
LONGEST = 1.5
"""Seconds after which a command is killed at the latest, where it is killed."""
SETTINGS = (
    "init: true\nstop_grace_period: 1s\nrelease: {verify_for: 0s}\ntest: {freeze: none}\nvolumes: [./data:/data]\n"
)
RUNS = 'LABEL v=VERSION\nCMD ["sleep", "600"]\n'


@dataclass(frozen=True)
class Side:
    """One of the projects; each of its commands has connections of its own."""

    site: Site
    connect: Callable[[], Engine]

    def harness(self) -> Harness:
        """Open its harness, as a command would."""
        return replace(self.site, engine=self.connect()).harness(repository=f"{self.site.prefix}/{self.site.project}")


def neighbours(site: Site, connect: Callable[[], Engine]) -> tuple[Neighbour, Neighbour]:
    """Make two projects: the containers of their `web` have one name, those of their `db` have two."""
    both = []
    for project in ("a", "b"):
        own = replace(site, path=site.path / project, project=project)
        images = {}
        for short in NAMES:
            other = f"container_name: {site.name(short)}-{project}\n" if short == "db" else ""
            own.add(short, f"{SETTINGS}{other}", dockerfile="FROM scratch\n")
            one, two = (site.image(f"{project}-{short}-{v}", RUNS.replace("VERSION", f"{project}{v}")) for v in "12")
            images[site.name(short)] = (one, two)
        both.append(Neighbour(Side(own, connect), tuple(images), images))
    return both[0], both[1]


def interleaved(site: Site, connect: Callable[[], Engine], rounds: int, chance: random.Random) -> int:
    """Let one of two projects do something, or be killed at it, so often; returns how often the other one changed."""
    both, lost, killed = neighbours(site, connect), 0, 0
    for number in range(rounds):
        acting, other = both if chance.random() < 0.5 else both[::-1]
        before = belongings(site.engine, other.project.harness())
        dice = random.Random(chance.random())
        after = chance.uniform(0, LONGEST) if chance.random() < 0.5 else None
        killed += run(lambda acting=acting, dice=dice: acting.act(dice), kill_after=after) < 0  # type: ignore[misc]
        now = belongings(site.engine, other.project.harness())
        if now != before:
            lost += 1
            click.echo(f"LOST round {number}: {sorted(before ^ now)}", err=True)
        if (number + 1) % 50 == 0:
            click.echo(f"{number + 1} rounds, {lost} losses")
    for each in both:
        for kept in (False, True):
            reap(each.project.harness(), kept=kept)
    click.echo(f"{rounds} commands, {killed} killed; {lost} losses")
    return lost

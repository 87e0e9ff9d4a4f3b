"""Kill releases on a real engine, and look whether production was ever lost.

python tests/soak/main.py --steps        every step of a release and of its recovery, before and after it
python tests/soak/main.py --kills 500    at random moments

It takes a container of its own, and removes what it made. Exit status 1: something was lost, and is said.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

# A script finds what lies beside it; the project is two directories up.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import click

from kharness.engine.api import Engine
from kharness.engine.connect import connect
from kharness.ops.recover import recover
from kharness.plan.facts import ImageFacts
from kharness.settings.catalog import ContainerDir
from tests.ops.site import Site
from tests.rootfs import archive
from tests.soak.proof import Proof
from tests.soak.victim import KILLED, Place, Steps, run

SETTINGS = "restart: always\ninit: true\nstop_grace_period: 1s\nrelease: {verify_for: 0s}\n"


def engine() -> Engine:
    """Connect; each process has its own connections."""
    return connect(host=None, environ=os.environ, home=Path.home())


@contextmanager
def site() -> Iterator[Site]:
    """Give a site with an image of its own."""
    prefix = f"kharness-soak-{secrets.token_hex(3)}"
    found = engine()
    busybox = f"{prefix}/busybox:1"
    found.import_image([archive(Path(shutil.which("busybox") or "/bin/busybox"))], busybox, changes=['CMD ["sh"]'])
    path = Path(tempfile.mkdtemp(prefix=prefix))
    made = Site(path, found, busybox, prefix, place=secrets.randbelow(256))
    try:
        yield made
    finally:
        made.remove()
        found.close()


class Soak:
    """One container that is released over and over, from two images in turn."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._directory: ContainerDir = site.add("web", SETTINGS, dockerfile="FROM scratch\n")
        self._images = [site.image(version, f"LABEL v={version}\nCMD sleep 600") for version in ("1", "2")]
        self._log = site.path / "steps"
        self.proof = Proof(site, self._directory)
        self.duration = self._first()

    def kill_at(self, place: Place | None, *, recovering: Place | None = None) -> bool:
        """Kill a release at a step, and perhaps its recovery; returns whether it came so far."""
        wanted, before = self._wanted(), self.proof.live()
        self._log.unlink(missing_ok=True)
        where = f"{place}, recovery {recovering}"
        status = run(lambda: self._launch(wanted, Steps(self._log, place)))
        self.proof.after_crash(where)
        if status == KILLED and recovering is not None:
            status = run(lambda: self._recover(Steps(self._log, recovering)))
            self.proof.after_crash(where)
        self.proof.recover()
        self.proof.after_recovery(where, before=before, wanted=wanted.id)
        return status == KILLED

    def kill_after(self, seconds: float, *, recovering: float | None = None) -> None:
        """Kill a release at a moment, and perhaps its recovery."""
        wanted, before = self._wanted(), self.proof.live()
        where = f"after {seconds:.3f} s, recovery after {recovering}"
        run(lambda: self._launch(wanted, None), kill_after=seconds)
        self.proof.after_crash(where)
        if recovering is not None:
            run(lambda: self._recover(None), kill_after=recovering)
            self.proof.after_crash(where)
        self.proof.recover()
        self.proof.after_recovery(where, before=before, wanted=wanted.id)

    def steps(self) -> list[str]:
        """Return the steps of the last release."""
        return self._log.read_text().splitlines()

    def _first(self) -> float:
        # Twice: a first launch has nothing to replace, and takes less time.
        for _ in range(2):
            began = time.monotonic()
            assert run(lambda: self._launch(self._wanted(), None)) == 0
        return time.monotonic() - began

    def _wanted(self) -> ImageFacts:
        live = self.proof.live()
        return next(image for image in self._images if image.id != live)

    def _launch(self, image: ImageFacts, steps: Steps | None) -> None:
        self._own(steps).launch(self._directory, image)

    def _recover(self, steps: Steps | None) -> None:
        recover(self._own(steps).harness())

    def _own(self, steps: Steps | None) -> Site:
        if steps is None:
            return replace(self._site, engine=engine())
        steps.journal()
        return replace(self._site, engine=steps.engine(engine()))


def every_step(soak: Soak) -> int:
    """Kill a release at each of its steps, and where it stands half way its recovery at each of its own."""
    soak.kill_at(None)
    names = soak.steps()
    click.echo(f"a release has {len(names)} steps: {', '.join(names)}")
    for number in range(len(names)):
        for when in ("before", "after"):
            assert soak.kill_at(Place(number, when)), f"{when} step {number} nobody was killed"
    half, number = Place(names.index("decide"), "before"), 0
    while soak.kill_at(half, recovering=Place(number, "before")):
        soak.kill_at(half, recovering=Place(number, "after"))
        number += 1
    click.echo(f"its recovery from there has {number}")
    return 2 * len(names) + 2 * number


def random_moments(soak: Soak, kills: int, chance: random.Random) -> int:
    """Kill releases, and one recovery in four, at random moments."""
    for number in range(kills):
        recovering = chance.uniform(0, soak.duration) if chance.random() < 0.25 else None
        soak.kill_after(chance.uniform(0, soak.duration * 1.1), recovering=recovering)
        if (number + 1) % 50 == 0:
            click.echo(f"{number + 1} kills, {len(soak.proof.lost)} losses")
    return kills


@click.command()
@click.option("--steps", is_flag=True, help="Kill at every step.")
@click.option("--kills", default=0, help="Kill so often at random moments.")
@click.option("--seed", default=None, type=int, help="Choose the same moments again.")
def main(*, steps: bool, kills: int, seed: int | None) -> None:
    """Kill releases of a container, and look whether production was ever lost."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    with site() as place:
        soak = Soak(place)
        click.echo(f"a release takes {soak.duration:.2f} s; seed {seed}")
        done = every_step(soak) if steps else 0
        done += random_moments(soak, kills, random.Random(seed))
        seen = ", ".join(f"{count} {what}" for what, count in sorted(soak.proof.seen.items()))
        click.echo(f"{done} kills: {seen}; {len(soak.proof.lost)} losses")
        for loss in soak.proof.lost:
            click.echo(f"LOST {loss}", err=True)
    sys.exit(1 if soak.proof.lost else 0)


if __name__ == "__main__":
    main()

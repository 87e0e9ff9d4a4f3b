"""Kill releases on a real engine, and look whether production was ever lost.

python tests/soak/main.py --steps        every step of a release and of its recovery, before and after it
python tests/soak/main.py --kills 500    at random moments
python tests/soak/main.py --daemon       the engine, a private one, after every step
python tests/soak/main.py --neighbours 200
                                         let two projects with the same names act in turn, and kill them at it
python tests/soak/main.py --model 5000   the same with an engine in memory
python tests/soak/main.py --keeping 100  release a container with volumes of every kind, kill every second release

It takes a container of its own, and removes what it made. Exit status 1: something was lost, and is said.
"""

from __future__ import annotations

import itertools
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

# A script finds what lies beside it; the project is two directories up.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import click

from kharness.engine.api import Engine
from kharness.engine.connect import connect
from kharness.ops.release.recover import recover
from kharness.ops.release.release import promote
from kharness.plan.facts import ImageFacts
from kharness.plan.release.operation import Provenance
from kharness.settings.catalog import ContainerDir
from tests.engine.daemons import PrivateDaemon, private_daemon
from tests.ops.neighbours import play
from tests.ops.site import Site
from tests.rootfs import archive
from tests.soak.keeping import PLACES, Keeping
from tests.soak.neighbours import interleaved
from tests.soak.proof import Proof
from tests.soak.victim import KILLED, Place, Steps, run

PROMOTION = 0.1
"""Seconds that a promotion takes at the most, with the connection to the engine."""
MODELLED = 20
"""Rounds after which two new projects begin from nothing."""
EVIDENCE = Provenance(session="soak", tests=1)
SETTINGS = """\
restart: always
init: true
stop_grace_period: 1s
release: {verify_for: 0s}
"""
WITH_DATA = SETTINGS.replace("release: {", "volumes: [./data:/data]\nrelease: {data: snapshot, ")
RUNS = """\
LABEL v=VERSION
CMD f=/data/history; [ -d /data ] || exec sleep 600; \\
    [ "$(tail -n 1 $f)" = VERSION ] || echo VERSION >>$f; exec sleep 600
"""
"""Each version migrates the data when it starts, once: their history is that of the versions that ran on them."""


Connect = Callable[[], Engine]
"""Each process has its own connections."""


def usual() -> Engine:
    """Connect to the engine that answers."""
    return connect(host=None, environ=os.environ, home=Path.home())


@contextmanager
def site(found: Engine) -> Iterator[Site]:
    """Give a site with an image of its own."""
    prefix = f"kharness-soak-{secrets.token_hex(3)}"
    busybox = f"{prefix}/busybox:1"
    found.import_image([archive(Path(shutil.which("busybox") or "/bin/busybox"))], busybox, changes=['CMD ["sh"]'])
    made = Site(Path(tempfile.mkdtemp(prefix=prefix)), found, busybox, prefix, place=secrets.randbelow(256))
    try:
        yield made
    finally:
        made.remove()


class Soak:
    """One container that is released over and over, from two images in turn."""

    def __init__(self, site: Site, connected: Connect = usual, *, data: bool = True) -> None:
        self._site = site
        self._connect = connected
        self._directory: ContainerDir = site.add("web", WITH_DATA if data else SETTINGS, dockerfile="FROM scratch\n")
        self._images = [site.image(version, RUNS.replace("VERSION", version)) for version in ("1", "2")]
        self._log = site.path / "steps"
        versions = {image.id: image.labels["v"] for image in self._images}
        self.proof = Proof(site, self._directory, versions if data else {})
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

    def kill_promotion_after(self, seconds: float) -> None:
        """Kill a promotion at a moment; production runs on, whatever becomes of the tags."""
        wanted, before = self._wanted().id, self.proof.live() or ""
        run(lambda: self._promote(wanted), kill_after=seconds)
        self.proof.recover()
        self.proof.after_promotion(f"a promotion, after {seconds:.3f} s", before=before, wanted=wanted)
        promote(self._site.harness(), self._directory.name, before, EVIDENCE)

    def kill_daemon_at(self, place: Place, daemon: PrivateDaemon) -> None:
        """Kill the engine at a step of a release, and start it again."""
        wanted, before = self._wanted(), self.proof.live()
        where = f"the engine, {place}"
        self._log.unlink(missing_ok=True)
        run(lambda: self._launch(wanted, Steps(self._log, place, strike=partial(kill, daemon))))
        daemon.start()
        self.proof.after_crash(where)
        self.proof.recover()
        self.proof.after_recovery(where, before=before, wanted=wanted.id)

    def steps(self) -> list[str]:
        """Return the steps of the last release."""
        return self._log.read_text().splitlines()

    def _first(self) -> float:
        # A first launch has nothing to replace, the next few no snapshot that has had its time.
        for _ in range(4):
            began = time.monotonic()
            assert run(lambda: self._launch(self._wanted(), None)) == 0
            self.proof.data("the first launches", launched=self.proof.live())
        return time.monotonic() - began

    def _wanted(self) -> ImageFacts:
        live = self.proof.live()
        return next(image for image in self._images if image.id != live)

    def _launch(self, image: ImageFacts, steps: Steps | None) -> None:
        self._own(steps).launch(self._directory, image)

    def _promote(self, image: str) -> None:
        promote(self._own(None).harness(), self._directory.name, image, EVIDENCE)

    def _recover(self, steps: Steps | None) -> None:
        recover(self._own(steps).harness())

    def _own(self, steps: Steps | None) -> Site:
        if steps is None:
            return replace(self._site, engine=self._connect())
        steps.journal()
        return replace(self._site, engine=steps.engine(self._connect()))


def every_step(soak: Soak, *, every: int, first: int) -> int:
    """Kill a release at each of its steps, and where it stands half way its recovery at each of its own.

    With `every` above 1 only at each so many-th, beginning with the `first`.
    """
    soak.kill_at(None)
    names, done = soak.steps(), 0
    click.echo(f"a release has {len(names)} steps: {', '.join(names)}")
    for place in [Place(number, when) for number in range(len(names)) for when in ("before", "after")][first::every]:
        assert soak.kill_at(place), f"{place.when} step {place.number} nobody was killed"
        done += 1
    half = Place(names.index("decide"), "before")
    for number in itertools.count(first, every):
        place = Place(number // 2, "after" if number % 2 else "before")
        if not soak.kill_at(half, recovering=place):
            break
        done += 1
    return done


def random_moments(soak: Soak, kills: int, chance: random.Random) -> int:
    """Kill launches, one promotion in five, and one recovery in four, at random moments."""
    for number in range(kills):
        if chance.random() < 0.2:
            soak.kill_promotion_after(chance.uniform(0, PROMOTION))
        else:
            recovering = chance.uniform(0, soak.duration) if chance.random() < 0.25 else None
            soak.kill_after(chance.uniform(0, soak.duration * 1.1), recovering=recovering)
        if (number + 1) % 50 == 0:
            click.echo(f"{number + 1} kills, {len(soak.proof.lost)} losses")
    return kills


def every_step_of_the_engine(soak: Soak, daemon: PrivateDaemon) -> int:
    """Kill the engine after each step of a release."""
    soak.kill_at(None)
    numbers = [number for number, name in enumerate(soak.steps()) if name.startswith("do ")]
    for number in numbers:
        soak.kill_daemon_at(Place(number, "after"), daemon)
    return len(numbers)


def every_byte(releases: int, seed: int) -> int:
    """Release a container with volumes of every kind, and kill every second release; returns what was lost."""
    with site(usual()) as place:
        found = Keeping(place, usual, random.Random(seed))
        try:
            found.releases(releases, kills=True)
        finally:
            found.remove()
        for loss in found.lost:
            click.echo(f"LOST {loss}", err=True)
        seen = ", ".join(f"{count} {what}" for what, count in sorted(found.seen.items()))
        lines = len(found.written) * len(PLACES)
        click.echo(f"seed {seed}: {releases} releases: {seen}; {lines} lines written, {len(found.lost)} losses")
        failed = sum(count for what, count in found.seen.items() if what.startswith("FAILED"))
        return len(found.lost) + failed


def modelled(rounds: int, seed: int) -> int:
    """Let two projects act so often on an engine in memory, new ones each few rounds; returns what was lost."""
    lost = 0
    for first in range(0, rounds, MODELLED):
        with tempfile.TemporaryDirectory(prefix="kharness-soak-") as path:
            for done, changed in play(Path(path), random.Random(seed + first), min(MODELLED, rounds - first)):
                if changed:
                    lost += 1
                    click.echo(f"LOST seed {seed + first}: {done}: {sorted(changed)}", err=True)
    click.echo(f"{rounds} commands in the model; {lost} losses; seed {seed}")
    return lost


def kill(daemon: PrivateDaemon) -> None:
    """Kill the daemon, which is not this process's child, and wait until it is gone."""
    pid = daemon.pid()
    os.kill(pid, signal.SIGKILL)
    while state(pid) not in {"", "Z"}:
        time.sleep(0.01)


def state(pid: int) -> str:
    """Return a process's state as proc(5) has it; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return ""


def summary(soak: Soak, kills: int) -> int:
    """Say what was seen; returns how much was lost."""
    seen = ", ".join(f"{count} {what}" for what, count in sorted(soak.proof.seen.items()))
    for loss in soak.proof.lost:
        click.echo(f"LOST {loss}", err=True)
    click.echo(f"{kills} kills: {seen}; {len(soak.proof.lost)} losses")
    return len(soak.proof.lost)


@click.command()
@click.option("--steps", is_flag=True, help="Kill at every step.")
@click.option("--every", default=1, help="With --steps: only at each so many-th step.")
@click.option("--kills", default=0, help="Kill so often at random moments.")
@click.option("--daemon", is_flag=True, help="Kill an engine, a private one, at every step.")
@click.option("--keeping", default=0, help="Release a container with volumes of every kind so often.")
@click.option("--neighbours", default=0, help="Let two projects with the same names act so often, in turn.")
@click.option("--model", default=0, help="The same so often, on an engine in memory.")
@click.option("--seed", default=None, type=int, help="Choose the same moments again.")
def main(
    *, steps: bool, every: int, kills: int, daemon: bool, keeping: int, neighbours: int, model: int, seed: int | None
) -> None:
    """Kill releases of a container, and look whether production was ever lost."""
    lost = 0
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    if neighbours:
        with site(usual()) as place:
            lost += interleaved(place, usual, neighbours, random.Random(seed))
    if model:
        lost += modelled(model, seed)
    if keeping:
        lost += every_byte(keeping, seed)
    if steps or kills:
        with site(usual()) as place:
            soak = Soak(place)
            click.echo(f"a release takes {soak.duration:.2f} s; seed {seed}")
            done = every_step(soak, every=every, first=seed % every) if steps else 0
            lost += summary(soak, done + random_moments(soak, kills, random.Random(seed)))
    if daemon:
        with private_daemon() as private:
            private.start()
            with site(private.connect()) as place:
                # It has a network of its own, and counts as another host's, whose data nobody here can put back.
                soak = Soak(place, private.connect, data=False)
                lost += summary(soak, every_step_of_the_engine(soak, private))
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()

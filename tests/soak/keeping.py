"""Release a container that keeps data in volumes of every kind, and look whether each byte is still there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from kharness.engine.api import Engine
from kharness.ops.launch.up import up
from kharness.ops.release.recover import recover
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.rollback import roll_back
from kharness.ops.release.stopping import down
from kharness.plan.facts import ImageFacts, short_id
from kharness.settings.catalog import ContainerDir
from tests.ops.site import Site
from tests.soak.victim import run

PLACES = ("/declared", "/unnamed", "/named", "/bound")
"""A VOLUME of the image, a volume without a source, a named volume and a directory."""
SETTINGS = """\
init: true
stop_grace_period: 1s
volumes: [/unnamed, "NAMED:/named", "./bound:/bound"]
cap_add: [CHOWN, DAC_OVERRIDE]
release: {verify_for: 0s}
"""
LONGEST = 1.0
"""Seconds within which a release is killed."""


@dataclass
class Keeping:
    """One container, from two images in turn; `written` are the lines that each of its places must have."""

    site: Site
    connect: Callable[[], Engine]
    chance: random.Random
    written: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Launch it for the first time."""
        named = self.site.name("named")
        self.directory: ContainerDir = self.site.add(
            "keeps", SETTINGS.replace("NAMED", named), dockerfile="FROM scratch\n"
        )
        self._images = [
            self.site.image(f"keeps-{version}", f"VOLUME /declared\nLABEL v={version}\nCMD exec sleep 600")
            for version in ("1", "2")
        ]
        for image in self._images:
            assert self.site.launch(self.directory, image).ok
        self.write("0")

    def releases(self, number: int, *, kills: bool) -> None:
        """Release so often, in every way in turn; with `kills` every second one is killed on its way."""
        ways = (self._launch, self._run, self._roll_back, self._down_and_up, self._remove_and_up)
        for count in range(1, number + 1):
            way = ways[count % len(ways)]
            after = self.chance.uniform(0, LONGEST) if kills and count % 2 else None
            # In a process of its own, with its own connections.
            status = run(partial(way, replace(self.site, engine=self.connect())), kill_after=after)
            name = way.__name__.strip("_")
            self.seen[name if status == 0 else "killed" if after is not None else f"FAILED {name}"] += 1
            self._settle()
            self.check(f"{count}: {name}")
            self.write(str(count))

    def write(self, line: str) -> None:
        """Append a line to a file in each place."""
        command = " && ".join(f"echo {line} >>{place}/lines" for place in PLACES)
        done = self.site.engine.exec(self.directory.name, ["sh", "-c", command])
        assert done.ok, done.stderr
        self.written.append(line)

    def check(self, where: str) -> None:
        """Compare what is in each place with what was written."""
        for place in PLACES:
            found = self.site.engine.exec(self.directory.name, ["cat", f"{place}/lines"])
            if found.stdout.split() != self.written:
                self.lost.append(f"{where}: {place} has {len(found.stdout.split())} of {len(self.written)} lines")

    def remove(self) -> None:
        """Remove its volumes, whose names the engine made up."""
        found = self.site.engine.container(self.directory.name)
        names = [mount.name for mount in found.mounts if mount.name] if found else []
        self.site.engine.remove(self.directory.name, force=True)
        for name in names:
            self.site.engine.remove_volume(name)

    def _settle(self) -> None:
        harness = self.site.harness()
        recover(harness)
        if up(harness, self.directory).state == "started":
            self.seen["started again"] += 1

    def _other(self, site: Site) -> ImageFacts:
        live = site.engine.image(site.harness().tags(self.directory.name).live)
        return next(image for image in self._images if live is None or image.id != live.id)

    def _launch(self, site: Site) -> None:
        assert site.launch(self.directory, self._other(site)).ok

    def _run(self, site: Site) -> None:
        relaunch(site.harness(), self.directory)

    def _roll_back(self, site: Site) -> None:
        to = short_id(self._other(site).id)
        assert roll_back(site.harness(), self.directory, to=to, verify=lambda: ()).ok

    def _down_and_up(self, site: Site) -> None:
        down(site.harness(), self.directory.name)
        up(site.harness(), self.directory)

    def _remove_and_up(self, site: Site) -> None:
        down(site.harness(), self.directory.name)
        # As 'docker container prune' does.
        site.engine.remove(self.directory.name, volumes=False)
        up(site.harness(), self.directory)

"""What must be true of production after a crash, and after the recovery from it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kharness.host.volumes.snapshots import Snapshots
from kharness.ops.release.recover import recover
from kharness.plan.facts import ContainerFacts, short_id
from kharness.plan.launch.life import WAITING
from kharness.settings.catalog import ContainerDir
from tests.ops.site import Site

PATIENCE = 5.0
"""Seconds that a container may take from its start to its first line."""


@dataclass
class Proof:
    """Looks at one production container and its data; `lost` has what was not as it must be.

    `versions` has the images' own, and is empty where there are no data; `history` the versions that the data must have
    been migrated by, in order.
    """

    site: Site
    directory: ContainerDir
    versions: Mapping[str, str]
    seen: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)

    def live(self) -> str | None:
        """Return the id of the live image."""
        found = self.site.engine.image(self.site.harness().tags(self.directory.name).live)
        return found.id if found else None

    def production(self) -> list[ContainerFacts]:
        """Return everything that has the production container's name, or one of its names meanwhile."""
        return [found for found in self.site.engine.containers() if found.name.startswith(self.directory.name)]

    def after_crash(self, where: str) -> None:
        """Nothing runs twice, and what is not as it was is in the journal."""
        found = self.production()
        if len([each for each in found if each.running]) > 1:
            self.lost.append(f"{where}: two of it run: {told(found)}")
        whole = [each.name for each in found] == [self.directory.name]
        if not whole and not self.site.harness().state.operations():
            self.lost.append(f"{where}: {told(found)} and nothing in the journal")

    def after_recovery(self, where: str, *, before: str | None, wanted: str) -> None:
        """One container runs, from the image that is live; the journal is empty."""
        found, live = self.production(), self.live()
        if late := [each for each in found if each.name.endswith(WAITING) and each.state == "created"]:
            # The engine was at it when its sender died. It never ran, and the next launch removes it.
            self.seen["a candidate left"] += 1
            found = [each for each in found if each not in late]
        if [(each.name, each.running, each.image_id) for each in found] != [(self.directory.name, True, live)]:
            self.lost.append(f"{where}: live is {live}, and there is {told(found)}")
        if live not in {before, wanted}:
            self.lost.append(f"{where}: live was {before}, should become {wanted}, and is {live}")
        if left := self.site.harness().state.operations():
            self.lost.append(f"{where}: {len(left)} still in the journal")
        last = next(iter(self.site.harness().state.releases(self.directory.name, 1)), None)
        if live == wanted and live != before and (last is None or (last.kind, last.image_id) != ("launch", live)):
            self.lost.append(f"{where}: the ledger's last entry is {last}, and live is {live}")
        self.data(where, launched=live if live == wanted and live != before else None)
        self.seen["released" if live == wanted else "as before"] += 1

    def after_promotion(self, where: str, *, before: str, wanted: str) -> None:
        """Production runs what it ran; the tags were moved with an entry in the ledger, or not at all."""
        found, live = self.production(), self.live()
        if [(each.name, each.running, each.image_id) for each in found] != [(self.directory.name, True, before)]:
            self.lost.append(f"{where}: production ran {before}, and there is {told(found)}")
        if live not in {before, wanted}:
            self.lost.append(f"{where}: live was {before}, should become {wanted}, and is {live}")
        if left := self.site.harness().state.operations():
            self.lost.append(f"{where}: {len(left)} still in the journal")
        last = self.site.harness().state.releases(self.directory.name, 1)[0]
        if live == wanted and (last.kind, last.image_id) != ("promote", live):
            self.lost.append(f"{where}: the ledger's last entry is {last}, and live is {live}")
        self.seen["promoted" if live == wanted else "not promoted"] += 1

    def data(self, where: str, *, launched: str | None) -> None:
        """The data are those of before, or what was launched has migrated them, and nobody else has."""
        if not self.versions:
            return
        if launched is not None:
            self.history.append(self.versions[launched])
        path = Path(self.site.harness().host.dv) / self.directory.name / "data" / "history"
        deadline = time.monotonic() + PATIENCE
        while (found := path.read_text().split() if path.exists() else []) != self.history:
            if time.monotonic() > deadline:
                said, wanted = " ".join(found[-4:]), " ".join(self.history[-4:])
                self.lost.append(f"{where}: the data should have been migrated by {wanted}, and were by {said}")
                self.history = found
            time.sleep(0.02)
        self.left(where)

    def left(self, where: str) -> None:
        """No more snapshots are there than are kept, and no half ones."""
        found = Snapshots(Path(self.site.harness().host.dv), self.directory.name)
        names = [path.name for path in found.place.iterdir()] if found.place.is_dir() else []
        whole = [each.name for each in found.kept()]
        if sorted(names) != sorted(whole):
            self.lost.append(f"{where}: beside the snapshots {', '.join(whole)} there is {', '.join(names)}")

    def recover(self) -> None:
        """Recover as the next command would."""
        recover(self.site.harness())


def told(found: list[ContainerFacts]) -> str:
    """Name containers with their states and images."""
    return ", ".join(f"{each.name} {each.state} {short_id(each.image_id)}" for each in found) or "no container"

"""What must be true of production after a crash, and after the recovery from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kharness.ops.recover import recover
from kharness.ops.targets.engine import WAITING
from kharness.plan.facts import ContainerFacts, short_id
from kharness.settings.catalog import ContainerDir
from tests.ops.site import Site


@dataclass
class Proof:
    """Looks at one production container; `lost` has what was not as it must be."""

    site: Site
    directory: ContainerDir
    seen: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

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

    def recover(self) -> None:
        """Recover as the next command would."""
        recover(self.site.harness())


def told(found: list[ContainerFacts]) -> str:
    """Name containers with their states and images."""
    return ", ".join(f"{each.name} {each.state} {short_id(each.image_id)}" for each in found) or "no container"

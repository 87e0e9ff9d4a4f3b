"""What `kharness status` shows: every container directory, and what is known of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date

from kharness.errors import EngineError, EngineUnavailableError, SettingsError, StateError
from kharness.host.state import Verdict
from kharness.ops.cowscan import running, scan
from kharness.ops.harness import Harness
from kharness.ops.lastscan import last_scans, remember
from kharness.ops.ps import production
from kharness.plan.facts import ContainerFacts, ImageFacts, UsageFacts
from kharness.plan.lastscan import LastScan
from kharness.plan.listed import Listed
from kharness.plan.status import LastTest, Status, busy, is_newer
from kharness.plan.times import moment

WAITING = 32
"""Containers that are asked at a time for what they use: the engine measures once a second, and answers all of them."""
APART = 0.25
"""Seconds between two measurements, at the least."""

Usages = Mapping[str, UsageFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """All lines, sorted by name; `notes` say what could not be read. `usages`, by id, are for the next time."""

    lines: tuple[Status, ...]
    broken: Mapping[str, SettingsError] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    usages: Usages = field(default_factory=dict)


def statuses(harness: Harness, names: Iterable[str] = (), *, before: Usages | None = None) -> Statuses:
    """Look at the containers of these directories, or at all of production and every directory.

    What they use is compared with `before`; without it, it is measured twice. Raises `EngineError`.
    """
    fleet, broken = harness.fleet()
    wanted = frozenset(names)
    listed = tuple(each for each in production(harness, fleet, everything=True) if not wanted or each.name in wanted)
    running = tuple(each.facts for each in listed if each.facts and each.facts.running)
    began = time.monotonic()
    earlier = _usages(harness, running) if before is None else before
    images = {image.id: image for image in harness.engine.images()}
    tagged = {tag: image for image in images.values() for tag in image.tags}
    notes = [each.laid for each in listed if each.laid]
    verdicts, scans = _remembered(harness, notes)
    if before is None and running:
        time.sleep(max(0.0, APART - (time.monotonic() - began)))
    usages = _usages(harness, running)

    def line(each: Listed) -> Status:
        tags = harness.tags(each.name)
        live = tagged.get(tags.live)
        facts = each.facts
        usage = usages.get(facts.id) if facts else None
        return Status(
            listed=each,
            broken=str(broken.get(each.name, "")),
            image_at=_made(images.get(facts.image_id) if facts else live),
            newer=is_newer(tagged.get(tags.latest), live),
            tested=_tested(verdicts.get(each.name)),
            scan=scans.get(facts.id) if facts else None,
            usage=usage,
            cpu=busy(earlier.get(facts.id), usage) if facts else None,
        )

    shown = {name: error for name, error in broken.items() if not wanted or name in wanted}
    return Statuses(lines=tuple(map(line, listed)), broken=shown, notes=tuple(notes), usages=usages)


def scan_now(harness: Harness, names: Sequence[str]) -> None:
    """Look for drift in what runs, of these directories or of all, and remember it; raises `EngineError`."""
    targets = [target for target in running(harness) if not names or target.name in names]
    remember(harness, scan(harness, targets, today=date.today()), at=time.time())  # noqa: DTZ011 - a day of this host's


def _usages(harness: Harness, containers: Sequence[ContainerFacts]) -> Usages:
    with ThreadPoolExecutor(WAITING) as pool:
        found = zip(containers, pool.map(lambda each: _usage(harness, each), containers), strict=True)
    return {facts.id: usage for facts, usage in found if usage is not None}


def _usage(harness: Harness, container: ContainerFacts) -> UsageFacts | None:
    try:
        return harness.engine.usage(container.id)
    except EngineUnavailableError:
        raise
    except EngineError:
        # It has ended since it was listed, or the engine cannot tell.
        return None


def _remembered(harness: Harness, notes: list[str]) -> tuple[Mapping[str, Verdict], Mapping[str, LastScan]]:
    try:
        return harness.state.last_verdicts(), last_scans(harness)
    except StateError as error:
        notes.append(str(error))
        return {}, {}


def _tested(verdict: Verdict | None) -> LastTest | None:
    if verdict is None:
        return None
    return LastTest(passed=verdict.passed, mode=verdict.mode, image=verdict.image_id, at=verdict.at)


def _made(image: ImageFacts | None) -> float | None:
    found = moment(image.created) if image else None
    return found.timestamp() if found else None

r"""What \`kharness status\` shows of every container directory, and whether those that start with this host are up."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from kharness.errors import EngineError, EngineUnavailableError, SettingsError, StateError
from kharness.host.state.state import Verdict
from kharness.ops.drift.scan import last_scans, remember, running, scan
from kharness.ops.harness import Harness
from kharness.ops.image.build import is_base
from kharness.ops.launch.deviations import changes_of
from kharness.ops.launch.subject import why_stays_down
from kharness.ops.project.listing import production
from kharness.ops.project.production import present
from kharness.ops.project.unfinished import all_unfinished, hints_of, lost_names
from kharness.ops.session.needs import needs_text, unmet_needs
from kharness.ops.session.readiness import probed
from kharness.plan.drift.watch import LastScan
from kharness.plan.facts import ContainerFacts, ImageFacts, UsageFacts, short_id
from kharness.plan.fleet.course import waves
from kharness.plan.fleet.status import Checked, LastTest, Other, Status, busy, is_newer
from kharness.plan.launch.deviations import Changes, change_notes
from kharness.plan.launch.life import is_done, state_text, why_not_up, why_stuck
from kharness.plan.project import Listed
from kharness.plan.text import moment
from kharness.settings.model import Settings

WAITING = 32
"""How many containers are measured at a time; the engine measures once a second for all of them."""
APART = 0.25
"""The least number of seconds between two measurements."""

Usages = Mapping[str, UsageFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """All lines, sorted by name; `notes` are remarks. `usages`, by id, are for the next call."""

    lines: tuple[Status, ...]
    broken: Mapping[str, SettingsError] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    usages: Usages = field(default_factory=dict)


def statuses(harness: Harness, names: Iterable[str] = (), *, before: Usages | None = None) -> Statuses:
    """Return the status of these directories, without names that of every directory and all of production.

    Usage is compared with `before`; without it, it is measured twice. Raises `EngineError`.
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
            changes=_changes(harness, each),
            down=str(why_stays_down(harness, each.name) or "") if facts is None or not facts.up else "",
        )

    shown = {name: error for name, error in broken.items() if not wanted or name in wanted}
    lines = tuple(map(line, listed))
    for each in lines:
        notes += [f"{each.listed.name}: {text}" for text in _said(each)]
    notes += [f"{name}: {hint}" for name, hint in _lost(harness).items() if not wanted or name in wanted]
    return Statuses(lines=lines, broken=shown, notes=tuple(notes), usages=usages)


def scan_now(harness: Harness, names: Sequence[str]) -> None:
    """Scan running containers of these directories, or of all, and remember the result; raises `EngineError`."""
    targets = [target for target in running(harness) if not names or target.name in names]
    remember(harness, scan(harness, targets, today=date.today()), at=time.time())  # noqa: DTZ011 - a day of this host's


def _said(status: Status) -> tuple[str, ...]:
    name, facts = status.listed.name, status.listed.facts
    stuck = why_stuck(facts) if facts else ""
    return tuple(filter(None, (stuck, status.down, *change_notes(status.changes, name=name))))


def _changes(harness: Harness, listed: Listed) -> Changes:
    directory = harness.catalog.get(listed.name)
    if listed.facts is None or directory is None:
        return Changes()
    with suppress(StateError):
        return changes_of(harness, directory, listed.facts)
    return Changes()


def _lost(harness: Harness) -> Mapping[str, str]:
    with suppress(StateError):
        begun = {name: str(work) for name, work in all_unfinished(harness).items()}
        return {**hints_of(harness, lost_names(harness) - begun.keys()), **begun}
    return {}


def _usages(harness: Harness, containers: Sequence[ContainerFacts]) -> Usages:
    with ThreadPoolExecutor(WAITING) as pool:
        found = zip(containers, pool.map(lambda each: _usage(harness, each), containers), strict=True)
    return {facts.id: usage for facts, usage in found if usage is not None}


def _usage(harness: Harness, container: ContainerFacts) -> UsageFacts | None:
    try:
        return harness.production.runtime.usage(container.id)
    except EngineUnavailableError:
        raise
    except EngineError:
        # It has ended since it was listed, or the engine cannot measure it.
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


def check_all_up(harness: Harness, fleet: Mapping[str, Settings], *, host: str | None = None) -> tuple[Checked, ...]:
    """Check all containers with an `autostart` for this host, in the order of the waves.

    A container without reasons is well. Raises `EngineError` only where the engine does not answer.
    """
    names = [name for wave in waves(fleet, host=host or socket.gethostname()) for name in wave]
    with ThreadPoolExecutor(harness.host.launch_parallel) as pool:
        return tuple(pool.map(lambda name: check_up(harness, name, fleet[name]), names))


def check_up(harness: Harness, name: str, settings: Settings) -> Checked:
    """Check one container."""
    down = why_stays_down(harness, name)
    if down is not None:
        found = present(harness, name)
        if found is None or not found.up:
            return Checked(name=name, reasons=(), note=str(down))
    return Checked(name=name, reasons=tuple(_reasons(harness, name, settings)))


def others(harness: Harness, fleet: Mapping[str, Settings], *, host: str | None = None) -> tuple[Other, ...]:
    """Return the containers in use that do not start with this host: with a live image, or a container.

    Raises `EngineError`.
    """
    starting = {name for wave in waves(fleet, host=host or socket.gethostname()) for name in wave}
    names = (name for name in sorted(fleet) if name not in starting)
    return tuple(filter(None, (_other(harness, name, fleet) for name in names)))


def _other(harness: Harness, name: str, fleet: Mapping[str, Settings]) -> Other | None:
    found = present(harness, name)
    if found is not None:
        return Other(name=name, runs=found.state == "running", state=why_stuck(found) or state_text(found))
    live = harness.engine.image(harness.tags(name).live)
    if live is None or is_base(harness, name, fleet):
        return None
    return Other(name=name, runs=False, state="has no container")


def why_down(harness: Harness, name: str) -> str:
    """Return why it is not up, as the end of a sentence, empty if it is; its image is not checked."""
    found = present(harness, name)
    if found is None:
        return "has no container"
    settings = harness.settings(harness.catalog.select(name, prefix=False))
    return "" if _is_done(found, settings) else "; ".join(why_not_up(found))


def _reasons(harness: Harness, name: str, settings: Settings) -> Iterator[str]:
    found = present(harness, name)
    live = harness.engine.image(harness.tags(name).live)
    if live is None:
        yield "has no live image"
    if found is None:
        yield "has no container"
        return
    if not _is_done(found, settings):
        yield from why_not_up(found) or probed(harness.engine, found)
    if live is not None and found.image_id != live.id:
        yield f"runs image {short_id(found.image_id)}, and {short_id(live.id)} is live"
    yield from needs_text(unmet_needs(harness, settings))
    with suppress(StateError):
        yield from filter(None, [changes_of(harness, harness.catalog.select(name, prefix=False), found).by_hand_text])


def _is_done(found: ContainerFacts, settings: Settings) -> bool:
    return settings.may_end and is_done(found)

"""Scan running production containers for changes that their settings do not expect, and remember the results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date

from kharness.errors import HostError, KharnessError, SettingsError, UsageError
from kharness.ops.drift.scanner import Scanner, Seen, open_scanner
from kharness.ops.harness import Harness
from kharness.ops.project.identity import productions
from kharness.ops.volumes.manifest import accept, watched
from kharness.plan import labels
from kharness.plan.drift.changes import Drifted, ScanResult, judge
from kharness.plan.drift.watch import LastScan, last_scan
from kharness.plan.facts import ContainerFacts
from kharness.settings.model import Settings
from kharness.settings.policy import DriftSettings

KEY = "scan:"


def remember(harness: Harness, found: Iterable[ScanResult], *, at: float) -> None:
    """Remember a scan that ended at `at` (seconds since the epoch). Raises `StateError`."""
    harness.state.set_facts({f"{KEY}{each.container}": last_scan(each, at=at).to_json() for each in found if each.id})


def last_scans(harness: Harness) -> Mapping[str, LastScan]:
    """Return the remembered scans, by the ids of containers. Raises `StateError`."""
    scans: dict[str, LastScan] = {}
    for text in harness.state.facts(KEY).values():
        # Ignore records written by a newer version.
        with suppress(ValueError):
            scan = LastScan.from_json(text)
            scans[scan.container] = scan
    return scans


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTarget:
    """A container to scan, and the name of its directory, empty if kharness did not launch it."""

    container: ContainerFacts
    name: str

    @property
    def label(self) -> str:
        """Its name in a report."""
        return self.name or self.container.name


def running(harness: Harness) -> tuple[ScanTarget, ...]:
    """Return running production containers, sorted by name. Raises `EngineError`."""
    found = productions(harness)
    targets = [ScanTarget(container=each, name=each.labels.get(labels.NAME, "")) for each in found if each.up]
    return tuple(sorted(targets, key=lambda target: (target.label, target.container.name)))


def chosen(harness: Harness, names: Sequence[str], *, prefix: bool = False) -> tuple[ScanTarget, ...]:
    """Return the containers of these directories, or any containers of these names; without names all of production.

    With `prefix` a unique prefix of a production container's name is enough. Raises `UsageError` for a container that
    does not run.
    """
    every = running(harness)
    if not names:
        return every
    found: list[ScanTarget] = []
    for name in names:
        own = [target for target in every if name in {target.name, target.container.name}]
        begun = [target for target in every if prefix and target.label.startswith(name)]
        found += own or (begun if len(begun) == 1 else []) or [_foreign(harness, name)]
    return tuple({target.container.id: target for target in found}.values())


def accept_volumes(harness: Harness, targets: Sequence[ScanTarget]) -> Iterator[tuple[str, str, int]]:
    """Record the watched paths of containers as they are now; yields name, path and number of entries.

    Raises `UsageError` for a container without watched paths, `HostError`, `SettingsError`.
    """
    for target in targets:
        drift, _ = _expected(harness, target)
        for path, count in accept(harness, target.label, drift, target.container):
            yield target.label, path, count


def scan(
    harness: Harness, targets: Sequence[ScanTarget], *, today: date | None = None, layers: bool = True
) -> tuple[ScanResult, ...]:
    """Scan containers, several at a time, and compare each with its settings; results are in the order of the targets.

    A container that cannot be scanned, or whose settings cannot be read, has a problem. If a planted token is not
    found, every container has. Raises `EngineError` only where the engine does not answer at all.
    """
    today = today or date.today()  # noqa: DTZ011 - a day of this host's calendar, as the settings mean it
    image = targets[0].container.image_id if targets else ""
    with (
        open_scanner(harness, layers=layers, image=image) as scanner,
        ThreadPoolExecutor(harness.host.launch_parallel + 1) as pool,
    ):
        proof = pool.submit(scanner.why_blind, scanner.first)
        # All containers are read while the token is planted.
        looks = list(pool.map(lambda target: _look(scanner, target), targets))
        proof.result()
        return tuple(pool.map(lambda target, seen: _scanned(harness, scanner, target, seen, today), targets, looks))


def drift_of(
    harness: Harness, name: str, settings: Settings, container: ContainerFacts, *, today: date
) -> tuple[str, ...]:
    """Return a sentence for each change of a running container that its settings do not expect; empty means clean.

    `name` is the directory's. Raises `KharnessError` where the container cannot be scanned, or a planted token is not
    found.
    """
    with open_scanner(harness, image=container.image_id) as scanner:
        seen = scanner.look(container.id)
        if blind := scanner.why_blind(seen.by):
            raise HostError(f"{name}: could not be scanned: {blind}")
    volumes = watched(harness, name, settings.drift, container)
    verdict = judge((*seen.drifted, *volumes.drifted), settings.drift.expect, today=today)
    return (*volumes.problems, *map(str, verdict.left))


def _foreign(harness: Harness, name: str) -> ScanTarget:
    found = harness.engine.container(name)
    if found is None or not found.up:
        state = f"is {found.state}" if found else "is not there"
        raise UsageError(
            f"{name}: should be a running container, and {state}; without a name all of production is scanned"
        )
    return ScanTarget(container=found, name="")


def _look(scanner: Scanner, target: ScanTarget) -> Seen | KharnessError:
    try:
        return scanner.look(target.container.id)
    except KharnessError as error:
        return error


def _scanned(
    harness: Harness, scanner: Scanner, target: ScanTarget, seen: Seen | KharnessError, today: date
) -> ScanResult:
    facts, drift, by = target.container, DriftSettings(), ""
    problems: list[str] = []
    notes: list[str] = []
    drifted: tuple[Drifted, ...] = ()
    if isinstance(seen, KharnessError):
        problems.append(f"could not be scanned: {seen}")
    elif blind := scanner.why_blind(seen.by):
        problems.append(f"could not be scanned: {blind}")
    else:
        drifted, by, notes = seen.drifted, seen.by, [seen.note]
    try:
        drift, note = _expected(harness, target)
        notes.append(note)
    except SettingsError as error:
        problems.append(f"its settings cannot be read: {error}")
    volumes = watched(harness, target.name, drift, facts)
    verdict = judge((*drifted, *volumes.drifted), drift.expect, today=today)
    # A volume of which only a part is watched is listed as not scanned.
    unseen = (mount.target for mount in facts.mounts if mount.writable and mount.kind != "tmpfs")
    return ScanResult(
        name=target.label,
        container=facts.name,
        id=facts.id,
        by=by,
        verdict=replace(verdict, notes=(*filter(None, notes), *verdict.notes)),
        problem="\n".join((*problems, *volumes.problems)),
        volumes=tuple(sorted({*unseen} - {*drift.watch})),
    )


def _expected(harness: Harness, target: ScanTarget) -> tuple[DriftSettings, str]:
    directory = harness.catalog.get(target.name)
    if directory is not None:
        return harness.settings(directory).drift, ""
    return (
        DriftSettings(),
        f"there is no container directory {target.name} here, so no change is expected" if target.name else "",
    )

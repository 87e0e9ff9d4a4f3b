"""What running production containers changed in their copy-on-write layers, minus what their settings expect."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date

from kharness.errors import HostError, KharnessError, SettingsError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.sight import Seen, sight
from kharness.plan import labels
from kharness.plan.drift import Scanned, judge
from kharness.plan.facts import ContainerFacts
from kharness.settings.drift import Drift
from kharness.settings.model import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A container to look at, and the name of its directory; empty for one that kharness did not launch."""

    container: ContainerFacts
    name: str

    @property
    def label(self) -> str:
        """What it is called in a report."""
        return self.name or self.container.name


def running(harness: Harness) -> tuple[Target, ...]:
    """Return production's containers that run, sorted by name. Raises `EngineError`."""
    found = harness.engine.containers(labels={labels.ROLE: labels.ROLE_PRODUCTION})
    targets = [Target(container=each, name=each.labels.get(labels.NAME, "")) for each in found if each.up]
    return tuple(sorted(targets, key=lambda target: (target.label, target.container.name)))


def chosen(harness: Harness, names: Sequence[str]) -> tuple[Target, ...]:
    """Return the containers of these directories, or of these names, which may be anybody's; all of production without.

    Raises `UsageError` for one that does not run.
    """
    every = running(harness)
    if not names:
        return every
    found: list[Target] = []
    for name in names:
        own = [target for target in every if name in {target.name, target.container.name}]
        found += own or [_foreign(harness, name)]
    return tuple({target.container.id: target for target in found}.values())


def scan(
    harness: Harness, targets: Sequence[Target], *, today: date | None = None, layers: bool = True
) -> tuple[Scanned, ...]:
    """Look at containers, several at a time, and judge each by its settings; in the order of the targets.

    One that cannot be seen, or whose settings cannot be read, has a problem. So has every one if a token that is
    planted for the purpose is not found. Raises `EngineError` only where the engine does not answer at all.
    """
    today = today or date.today()  # noqa: DTZ011 - a day of this host's calendar, as the settings mean it
    image = targets[0].container.image_id if targets else ""
    with (
        sight(harness, layers=layers, image=image) as eye,
        ThreadPoolExecutor(harness.host.launch_parallel) as pool,
    ):
        proof = pool.submit(eye.why_blind, eye.first)

        def look(target: Target) -> Seen | KharnessError:
            try:
                return eye.look(target.container.id)
            except KharnessError as error:
                return error

        looks = list(pool.map(look, targets))
        proof.result()
        blind = {seen.by: eye.why_blind(seen.by) for seen in looks if isinstance(seen, Seen)}
    return tuple(_scanned(harness, target, seen, blind, today) for target, seen in zip(targets, looks, strict=True))


def drift_of(
    harness: Harness, name: str, settings: Settings, container: ContainerFacts, *, today: date | None = None
) -> tuple[str, ...]:
    """Return a sentence for each change of a running container that its settings do not expect; empty means clean.

    `name` is the container directory's. Raises `KharnessError` where the container cannot be seen, or where a token
    that is planted for the purpose is not.
    """
    today = today or date.today()  # noqa: DTZ011 - as above
    with sight(harness, image=container.image_id) as eye:
        seen = eye.look(container.id)
        if blind := eye.why_blind(seen.by):
            raise HostError(f"{name}: could not be seen: {blind}")
    return tuple(map(str, judge(seen.drifted, settings.drift.expect, today=today).left))


def _foreign(harness: Harness, name: str) -> Target:
    found = harness.engine.container(name)
    if found is None or not found.up:
        state = f"is {found.state}" if found else "is not there"
        raise UsageError(
            f"{name}: should be a container that runs, and {state}; without a name all of production's are looked at"
        )
    return Target(container=found, name="")


def _scanned(
    harness: Harness, target: Target, seen: Seen | KharnessError, blind: dict[str, str], today: date
) -> Scanned:
    facts = target.container
    volumes = tuple(sorted(mount.target for mount in facts.mounts if mount.writable and mount.kind != "tmpfs"))
    if isinstance(seen, KharnessError) or blind[seen.by]:
        why = str(seen) if isinstance(seen, KharnessError) else blind[seen.by]
        return Scanned(
            name=target.label, container=facts.name, id=facts.id, problem=f"could not be seen: {why}", volumes=volumes
        )
    drift, note, problem = Drift(), "", ""
    try:
        drift, note = _expected(harness, target)
    except SettingsError as error:
        problem = f"what is expected of it cannot be read: {error}"
    verdict = judge(seen.drifted, drift.expect, today=today)
    notes = (*filter(None, (seen.note, note)), *verdict.notes)
    return Scanned(
        name=target.label,
        container=facts.name,
        id=facts.id,
        by=seen.by,
        verdict=replace(verdict, notes=notes),
        problem=problem,
        volumes=volumes,
    )


def _expected(harness: Harness, target: Target) -> tuple[Drift, str]:
    directory = next((each for each in harness.catalog.directories if each.name == target.name), None)
    if directory is not None:
        return harness.settings(directory).drift, ""
    return Drift(), f"there is no container directory {target.name} here: nothing is expected" if target.name else ""

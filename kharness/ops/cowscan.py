"""What running production containers changed in their copy-on-write layers, minus what their settings expect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date

from kharness.errors import HostError, KharnessError, SettingsError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.manifest import Watched, accept, watched
from kharness.ops.sight import Seen, Sight, sight
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


def chosen(harness: Harness, names: Sequence[str], *, prefix: bool = False) -> tuple[Target, ...]:
    """Return the containers of these directories, or of these names, which may be anybody's; all of production without.

    With `prefix` the beginning of a name will do that only one of production's has. Raises `UsageError` for one that
    does not run.
    """
    every = running(harness)
    if not names:
        return every
    found: list[Target] = []
    for name in names:
        own = [target for target in every if name in {target.name, target.container.name}]
        begun = [target for target in every if prefix and target.label.startswith(name)]
        found += own or (begun if len(begun) == 1 else []) or [_foreign(harness, name)]
    return tuple({target.container.id: target for target in found}.values())


def accept_volumes(harness: Harness, targets: Sequence[Target]) -> Iterator[tuple[str, str, int]]:
    """Record what is in the watched paths of containers now; yields name, path and number of entries.

    Raises `UsageError` for one of which nothing is watched, `HostError`, `SettingsError`.
    """
    for target in targets:
        drift, _ = _expected(harness, target)
        for path, count in accept(harness, target.label, drift, target.container):
            yield target.label, path, count


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
        ThreadPoolExecutor(harness.host.launch_parallel + 1) as pool,
    ):
        proof = pool.submit(eye.why_blind, eye.first)

        def look(target: Target) -> _Look:
            return _look(harness, eye, target)

        looks = list(pool.map(look, targets))
        proof.result()
        blind = {each.seen.by: eye.why_blind(each.seen.by) for each in looks if isinstance(each.seen, Seen)}
    return tuple(_scanned(each, blind, today) for each in looks)


def drift_of(
    harness: Harness, name: str, settings: Settings, container: ContainerFacts, *, today: date
) -> tuple[str, ...]:
    """Return a sentence for each change of a running container that its settings do not expect; empty means clean.

    `name` is the container directory's. Raises `KharnessError` where the container cannot be seen, or where a token
    that is planted for the purpose is not.
    """
    with sight(harness, image=container.image_id) as eye:
        seen = eye.look(container.id)
        if blind := eye.why_blind(seen.by):
            raise HostError(f"{name}: could not be seen: {blind}")
    volumes = watched(harness, name, settings.drift, container)
    verdict = judge((*seen.drifted, *volumes.drifted), settings.drift.expect, today=today)
    return (*volumes.problems, *map(str, verdict.left))


def _foreign(harness: Harness, name: str) -> Target:
    found = harness.engine.container(name)
    if found is None or not found.up:
        state = f"is {found.state}" if found else "is not there"
        raise UsageError(
            f"{name}: should be a container that runs, and {state}; without a name all of production's are looked at"
        )
    return Target(container=found, name="")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What was seen of a target, or why nothing, and what is expected of it; `problem` where that is not known."""

    target: Target
    seen: Seen | KharnessError
    drift: Drift
    note: str
    problem: str
    volumes: Watched


def _look(harness: Harness, eye: Sight, target: Target) -> _Look:
    drift, note, problem = Drift(), "", ""
    seen: Seen | KharnessError
    try:
        drift, note = _expected(harness, target)
    except SettingsError as error:
        problem = f"what is expected of it cannot be read: {error}"
    try:
        seen = eye.look(target.container.id)
    except KharnessError as error:
        seen = error
    volumes = watched(harness, target.name, drift, target.container)
    return _Look(target=target, seen=seen, drift=drift, note=note, problem=problem, volumes=volumes)


def _scanned(look: _Look, blind: Mapping[str, str], today: date) -> Scanned:
    facts, seen = look.target.container, look.seen
    problems = [*filter(None, (look.problem,)), *look.volumes.problems]
    drifted, by = look.volumes.drifted, ""
    notes = [look.note]
    if isinstance(seen, KharnessError) or blind[seen.by]:
        why = str(seen) if isinstance(seen, KharnessError) else blind[seen.by]
        problems.insert(0, f"could not be seen: {why}")
    else:
        drifted, by = (*seen.drifted, *drifted), seen.by
        notes.insert(0, seen.note)
    verdict = judge(drifted, look.drift.expect, today=today)
    # What is not watched as a whole is not looked at as a whole.
    unseen = (mount.target for mount in facts.mounts if mount.writable and mount.kind != "tmpfs")
    return Scanned(
        name=look.target.label,
        container=facts.name,
        id=facts.id,
        by=by,
        verdict=replace(verdict, notes=(*filter(None, notes), *verdict.notes)),
        problem="\n".join(problems),
        volumes=tuple(sorted({*unseen} - {*look.drift.watch})),
    )


def _expected(harness: Harness, target: Target) -> tuple[Drift, str]:
    directory = harness.catalog.get(target.name)
    if directory is not None:
        return harness.settings(directory).drift, ""
    return Drift(), f"there is no container directory {target.name} here: nothing is expected" if target.name else ""

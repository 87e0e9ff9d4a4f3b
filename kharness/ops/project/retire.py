"""The data of a container: where they are, how much they are, and what removes them. Nothing here does.

End a container for good: production, images and intent go; the history stays, and so do the data, always.

Each step looks first, so that the same command, typed again after a crash, finishes it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from kharness.errors import EngineError, HostError, KharnessError, RefusedError, SettingsError
from kharness.host.locks import lock
from kharness.host.state.lives import RETIRE
from kharness.host.volumes.fingerprint import survey
from kharness.ops.drift.watch import silence
from kharness.ops.harness import Harness
from kharness.ops.image.build import bases_of
from kharness.ops.image.prune import prune_builds
from kharness.ops.launch.secrets import sweep_secrets
from kharness.ops.launch.subject import stay_down
from kharness.ops.project.identity import how_to_remove, is_ours, productions, refuse_shared_images, tagged
from kharness.ops.project.known import fact_keys, must_be_known
from kharness.ops.project.unfinished import Unfinished, begin, key, unfinished
from kharness.ops.release.ledger import container_entry, recorded_live
from kharness.ops.release.recover import settle_releases
from kharness.ops.release.release import LOCK_TIMEOUT
from kharness.ops.volumes.manifest import forget_manifest
from kharness.ops.volumes.mounters import known_volumes
from kharness.ops.volumes.root import root_changed
from kharness.ops.volumes.snapshots import snapshots_of
from kharness.plan.facts import ContainerFacts, ImageFacts, MountFacts
from kharness.plan.image.tags import LIVE
from kharness.plan.launch.mounts import plan_production
from kharness.plan.launch.runspec import MountKind
from kharness.plan.project import Remains, Retirement, is_kept_by_us, users_of_images


def declared_mounts(harness: Harness, name: str) -> tuple[MountFacts, ...]:
    """Return what a directory's settings mount; nothing where it is gone, or its settings cannot be read."""
    directory = harness.catalog.get(name)
    if directory is None:
        return ()
    try:
        volumes = harness.settings(directory).volumes
    except SettingsError:
        return ()
    plans = (plan_production(volume, name=name, volume_root=harness.volume_root).mount for volume in volumes)
    return tuple(
        MountFacts(
            kind=mount.kind.value,
            source=mount.source if mount.kind is MountKind.BIND else "",
            target=mount.target,
            writable=not mount.read_only,
            name=mount.source if mount.kind is MountKind.VOLUME else "",
        )
        for mount in plans
        if mount.source is not None
    )


def remains_of(harness: Harness, name: str, mounts: Iterable[MountFacts]) -> tuple[Remains, ...]:
    """Return the data of a container that has, or had, these mounts. Raises `EngineError`, `HostError`."""
    mounts = tuple(mounts)
    local = harness.engine.facts().local
    snapshots = snapshots_of(harness, name)
    found = [
        *(_directory("volume directory", snapshots.directory) if local else ()),
        *(_directory("snapshots", snapshots.place) if local else ()),
        *_volumes(harness, name, mounts),
        *_elsewhere(mounts, snapshots.directory),
    ]
    return tuple({each.place: each for each in found}.values())


def _directory(what: str, path: Path) -> Iterator[Remains]:
    if os.path.lexists(path):
        yield Remains(what=what, place=str(path), size=_size(path), remove=f"rm -r {shlex.quote(str(path))}")


def _volumes(harness: Harness, name: str, mounts: tuple[MountFacts, ...]) -> Iterator[Remains]:
    names = {mount.name: f"volume at {mount.target}" for mount in mounts if mount.kind == MountKind.VOLUME}
    names |= {volume: f"anonymous volume at {target}" for target, volume in known_volumes(harness, name).items()}
    others = _volumes_of_others(harness, name)
    for volume, what in names.items():
        facts = harness.engine.volume(volume) if volume else None
        if facts is not None:
            path = facts.directory if harness.engine.facts().local else ""
            size = _size(Path(path)) if path else None
            remove = "" if volume in others else f"docker volume rm {volume}"
            yield Remains(what=what, place=volume, size=size, remove=remove)


def _volumes_of_others(harness: Harness, name: str) -> frozenset[str]:
    containers = (each for each in harness.engine.containers() if not is_ours(harness, each, name))
    mounted = {mount.name for each in containers for mount in each.mounts if mount.name}
    directories = (each.name for each in harness.catalog.directories if each.name != name)
    declared = {mount.name for other in directories for mount in declared_mounts(harness, other) if mount.name}
    return frozenset(mounted | declared)


def _elsewhere(mounts: tuple[MountFacts, ...], directory: Path) -> Iterator[Remains]:
    for mount in mounts:
        source = os.path.realpath(mount.source) if mount.source else ""
        if mount.kind == MountKind.BIND and source and not PurePosixPath(source).is_relative_to(directory):
            yield Remains(what=f"mounted at {mount.target}", place=mount.source)


def _size(path: Path) -> int | None:
    try:
        return survey(path.resolve()).bytes
    except (HostError, OSError):
        return None


WHAT = "a retirement"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """What is there of a container: of all that is looked at, what goes."""

    containers: tuple[ContainerFacts, ...]
    tags: Mapping[str, ImageFacts]
    image: str
    mounts: tuple[MountFacts, ...]
    begun: bool


def retire(harness: Harness, name: str, *, dry_run: bool = False) -> Retirement:
    """End a container of this project; with `dry_run` only look. Its directory may be gone.

    Raises `UsageError` where nothing is known of it, `RefusedError` while others need it or a release cannot be
    finished, `ConflictError` where its images are another project's, `LockedError` while it is being released.
    """
    must_be_known(harness, name)
    if dry_run:
        return _plan(harness, name, _look(harness, name))
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle_releases(harness, name)
        found = _look(harness, name)
        planned = _plan(harness, name, found)
        if planned.ended is None:
            _carry_out(harness, name, found, planned)
        return planned


def _look(harness: Harness, name: str) -> _Ending:
    refuse_shared_images(harness, name)
    work = unfinished(harness, name)
    if work is not None and work.what != WHAT:
        raise RefusedError(f"{name}: {work}")
    ours = productions(harness, name)
    containers = tuple(facts for each in ours if (facts := harness.engine.container(each.id)) is not None)
    known = tuple(MountFacts(**each) for each in work.known["mounts"]) if work else ()
    mounts = (*known, *(mount for each in containers for mount in each.mounts), *declared_mounts(harness, name))
    image = next((each.image_id for each in containers), "") or recorded_live(harness, name)
    return _Ending(
        containers=containers,
        tags=dict(tags_of(harness, name)),
        image=str(work.known["image"]) if work else image,
        mounts=tuple(dict.fromkeys(mounts)),
        begun=work is not None,
    )


def tags_of(harness: Harness, name: str) -> Iterator[tuple[str, ImageFacts]]:
    """Return the references that kharness gave to images of a container, each with its image."""
    for tag, image in tagged(harness, name):
        if is_kept_by_us(tag):
            yield f"{harness.tags(name).live.removesuffix(LIVE)}{tag}", image


def _plan(harness: Harness, name: str, found: _Ending) -> Retirement:
    if reasons := tuple(_refusals(harness, name, found)):
        raise RefusedError("\n".join(f"{name}: {reason}" for reason in reasons))
    builds = tuple(pruned.what for pruned in prune_builds(harness, of=name, dry_run=True))
    last = next(iter(harness.state.releases(name, limit=1)), None)
    ended = last.at if last is not None and last.kind == RETIRE else None
    over = not (found.containers or found.tags or builds or found.begun or _facts(harness, name))
    return Retirement(
        name=name,
        containers=tuple(each.name for each in found.containers),
        tags=tuple(sorted(found.tags)),
        builds=builds,
        remains=remains_of(harness, name, found.mounts),
        notes=tuple(_notes(harness, name)),
        ended=ended if over else None,
    )


def _facts(harness: Harness, name: str) -> bool:
    state = harness.state
    return any(state.fact(each) for each in fact_keys(harness, name)) or name in state.last_verdicts()


def _refusals(harness: Harness, name: str, found: _Ending) -> Iterator[str]:
    for entry in harness.state.operations(name):
        yield f"a {entry.operation.kind} of it is not over: {entry.note or 'kharness recover finishes or undoes it'}"
    for directory in harness.catalog.directories:
        if directory.name == name:
            continue
        try:
            settings = harness.settings(directory)
            if name in settings.depends_on:
                yield f"{directory.name} needs it (depends_on in {directory.settings_file})"
            if name in bases_of(harness, directory, settings):
                yield f"{directory.name} is built on it ({directory.path / 'Dockerfile'})"
        except (SettingsError, HostError) as error:
            yield f"whether {directory.name} needs it is not known: {error}"
    users = users_of_images(found.tags, harness.engine.containers(), but=(each.id for each in found.containers))
    for container in users:
        facts = harness.engine.container(container)
        if facts is not None:
            yield f"the container {container} has its image: {how_to_remove(harness, facts)}"


def _notes(harness: Harness, name: str) -> Iterator[str]:
    if changed := root_changed(harness):
        yield f"data in the volume root cannot be named: {changed}"
    directory = harness.catalog.get(name)
    if directory is not None:
        yield f"its directory {directory.path} stands: a session with --launch begins it again; remove it by hand"
    beginning = harness.tags(name).live.removesuffix(LIVE)
    for image in harness.engine.images():
        for tag in image.tags:
            if tag.startswith(beginning) and not is_kept_by_us(tag.removeprefix(beginning)):
                yield f"the image {tag} was not named by kharness, and stays"
    stranger = harness.engine.container(name)
    if stranger is not None and stranger.id not in {each.id for each in productions(harness, name)}:
        yield f"the container {stranger.name} is not this project's {name}, and stays"


def _carry_out(harness: Harness, name: str, found: _Ending, planned: Retirement) -> None:
    known = {"image": found.image, "mounts": [asdict(mount) for mount in found.mounts]}
    begin(harness, [name], Unfinished(what=WHAT, command=f"kharness retire {name}", known=known))
    if found.containers:
        # Before it is stopped: a command that starts many containers must not get in between.
        stay_down(harness, name)
    for container in found.containers:
        _end(harness, name, container)
    for tag in sorted(found.tags):
        harness.engine.untag(tag)
    for pruned in prune_builds(harness, of=name, dry_run=False):
        harness.report(name, f"removed {pruned.what}")
    forget_manifest(harness, name)
    silence(harness, name)
    sweep_secrets(harness, name)
    kept = ", ".join(each.place for each in planned.remains)
    harness.state.retire(
        container_entry(name, RETIRE, found.image, note=f"data that stay: {kept or 'none'}"),
        forget=(
            *fact_keys(harness, name),
            key(name),
        ),
    )


def _end(harness: Harness, name: str, container: ContainerFacts) -> None:
    harness.report(name, f"stopping and removing {container.name}")
    if container.state == "paused":
        # What is frozen cannot end in order.
        harness.engine.unpause(container.id)
    with suppress(KharnessError):
        # Some engines cannot change it; it only matters where the engine is restarted before the removal.
        harness.engine.set_restart(container.id, "no")
    harness.engine.stop(container.id)
    harness.engine.remove(container.id, force=True, volumes=False)
    if harness.engine.container(container.id) is not None:
        raise EngineError(f"{name}: {container.name} is still there, although the engine removed it")

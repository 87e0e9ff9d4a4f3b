"""Put the data of a backup, or of a snapshot, in the place of the present ones, which are kept; or change nothing."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kharness.errors import EngineError, HostError, KharnessError, LaunchError, RefusedError, UsageError
from kharness.host.locks import lock
from kharness.host.machine.kernel import mounts_below, room
from kharness.host.volumes.archive import members, read_text, sha256_of, unpack
from kharness.ops.harness import Harness
from kharness.ops.launch.deviations import plan_of
from kharness.ops.project.identity import is_ours, refuse_shared_volumes, whose
from kharness.ops.project.production import present
from kharness.ops.project.retire import declared_mounts
from kharness.ops.release.exchange import Exchanging
from kharness.ops.release.recover import settle
from kharness.ops.release.release import LOCK_TIMEOUT
from kharness.ops.release.transaction import carry_out, complete, steps_of, undo
from kharness.ops.session.readiness import wait_production
from kharness.ops.volumes.backup import DataSource, sources_of
from kharness.ops.volumes.idmap import id_maps
from kharness.ops.volumes.mounters import keep_volume, mounters_of_others, running_mounters
from kharness.ops.volumes.root import check_volume_root, make_volume_root
from kharness.ops.volumes.snapshots import snapshots_of
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.life import why_stuck
from kharness.plan.release.operation import Kind, Operation, Provenance, former_of
from kharness.plan.text import size_text
from kharness.plan.volumes.backup import (
    CHECKSUM,
    MANIFEST,
    BackupManifest,
    Part,
    PartKind,
    Restored,
    Restoring,
    refusals_to_restore,
)
from kharness.settings.catalog import ContainerDir


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredPlace:
    """A directory whose place other data take: those of a `part` of a backup, else those of a snapshot.

    `fresh` is the name of a volume that is not there yet, `target` where it is mounted.
    """

    source: DataSource | None
    part: Part | None = None
    fresh: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """What a restoration would do: from a `file` or a `snapshot`, `container` is production's, if any."""

    name: str
    places: tuple[RestoredPlace, ...]
    file: Path | None = None
    manifest: BackupManifest | None = None
    snapshot: str = ""
    container: ContainerFacts | None = None

    @property
    def question(self) -> Restoring:
        """What a person is asked about."""
        return Restoring(
            name=self.name,
            manifest=self.manifest,
            snapshot=self.snapshot,
            paths=tuple(str(place.source.path) for place in self.places if place.source is not None),
            fresh=tuple(place.fresh for place in self.places if place.fresh),
            running=self.container is not None and self.container.up,
        )


def plan_restoration(
    harness: Harness, directory: ContainerDir, *, file: Path | None, snapshot: str = "", foreign: bool = False
) -> Restoration:
    """Check a backup, every byte of it, and look where it belongs; nothing is changed.

    Raises `UsageError`, `HostError` where the file is no whole backup, `RefusedError` where it is another container's
    or something has the data in hand, `EngineError`.
    """
    name = directory.name
    if os.geteuid():
        raise UsageError(f"{name}: only root can give files to their owners")
    check_volume_root(harness)
    refuse_shared_volumes(harness, name)
    sources, _ = sources_of(harness, name)
    container = present(harness, name)
    manifest = None
    if file is not None:
        manifest = read_backup(file)
        root = id_maps(harness).root
        reasons = refusals_to_restore(manifest, name=name, project=harness.project.name, root=root, foreign=foreign)
        if refused := tuple(reasons):
            raise RefusedError("\n".join(f"{file}: {reason}" for reason in refused))
        places = tuple(_place(harness, name, part, sources, container) for part in manifest.parts)
    else:
        kept = (source for source in sources if source.snapshots.has(snapshot))
        places = tuple(RestoredPlace(source=source) for source in kept)
        if not places:
            raise UsageError(
                f"{name}: there is no snapshot {snapshot!r}; 'kharness volumes {name}' shows what there is"
            )
    found = Restoration(
        name=name,
        places=places,
        file=file,
        manifest=manifest,
        snapshot=snapshot,
        container=container,
    )
    if refused := tuple(_refusals(harness, found)):
        raise RefusedError("\n".join(f"{name}: {reason}" for reason in refused))
    return found


def read_backup(file: Path) -> BackupManifest:
    """Read a backup's manifest, and compare every byte with it. Raises `HostError`."""
    found = members(file)
    missing = {MANIFEST, CHECKSUM} - found.keys()
    if missing:
        raise HostError(f"{file}: should be a backup, and has no {min(missing)}: it is something else, or cut off")
    text = read_text(file, found[MANIFEST])
    if read_text(file, found[CHECKSUM]).split()[:1] != [sha256_of(file, found[MANIFEST])]:
        raise HostError(f"{file}: its manifest was changed, or is damaged: its checksum is another one")
    try:
        manifest = BackupManifest.from_json(text)
    except ValueError as error:
        raise HostError(f"{file}: {MANIFEST}: {error}") from error
    for part in manifest.parts:
        member = found.get(part.file)
        if member is None:
            raise HostError(f"{file}: lacks {part.file}, which its manifest has")
        if sha256_of(file, member) != part.sha256:
            raise HostError(f"{file}: {part.file} is damaged: its checksum is another one")
    return manifest


def restore(harness: Harness, directory: ContainerDir, plan: Restoration) -> Restored:
    """Carry it out: production is stopped only while directories are renamed, and is the same container afterwards.

    Where it does not become ready on the other data, the present ones come back. Raises `LaunchError` with the reasons,
    and what is left to do by hand, if anything; `KharnessError` where nothing was begun.
    """
    name = directory.name
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle(harness, name)
        container = present(harness, name)
        if (container.id if container else None) != (plan.container.id if plan.container else None):
            raise RefusedError(f"{name}: its container is another one than it was; try again")
        plan = replace(plan, container=container)
        if refused := tuple(_refusals(harness, plan)):
            raise RefusedError("\n".join(f"{name}: {reason}" for reason in refused))
        made = _make_missing(harness, plan)
        return _carry_out(harness, directory, plan, made)


def _place(
    harness: Harness, name: str, part: Part, sources: tuple[DataSource, ...], container: ContainerFacts | None
) -> RestoredPlace:
    if part.kind is PartKind.DIRECTORY:
        own = next((source for source in sources if source.kind is PartKind.DIRECTORY), None)
        path = snapshots_of(harness, name).directory
        return RestoredPlace(source=own or DataSource(kind=PartKind.DIRECTORY, path=path, targets=()), part=part)
    mounted = {target: source for source in sources if source.name for target in source.targets}
    found = {mounted[target].name: mounted[target] for target in part.targets if target in mounted}
    where = ", ".join(part.targets)
    if len(found) > 1:
        raise RefusedError(f"{name}: {where} is one volume in the backup, and several here: {', '.join(sorted(found))}")
    if found:
        return RestoredPlace(source=next(iter(found.values())), part=part)
    declared = {mount.target: mount.name for mount in declared_mounts(harness, name) if mount.name}
    volume = next((declared[target] for target in part.targets if target in declared), "")
    if container is None and volume:
        return RestoredPlace(source=None, part=part, fresh=volume)
    if container is None and part.kind is PartKind.ANONYMOUS:
        return RestoredPlace(source=None, part=part, fresh=secrets.token_hex(32), target=part.targets[0])
    raise RefusedError(f"{name}: the backup has a volume at {where}, and {name} mounts none there")


def _refusals(harness: Harness, plan: Restoration) -> Iterator[str]:
    if plan.container is not None and (stuck := why_stuck(plan.container)):
        yield stuck
    seen: set[Path] = set()
    for place in plan.places:
        if place.source is None:
            continue
        path = place.source.path
        if path in seen:
            yield f"two parts of the backup belong to {path}"
        seen.add(path)
        if path.is_symlink():
            yield f"{path} should be a directory, not a symbolic link"
        for mounted in mounts_below(path):
            yield f"{mounted.place} is a mount point, and cannot be renamed"
        theirs = mounters_of_others(harness, path)
        for each in theirs:
            owner = whose(harness, each)
            yield f"the container {each.name} {owner}, and has {path} mounted: its data are not exchanged"
        known = {each.id for each in theirs}
        for each in running_mounters(harness, path):
            if each.id not in known and not is_ours(harness, each, plan.name):
                yield f"{each.name} runs, and has {path} mounted; stop it first"
    yield from _full_disks(plan)


def _full_disks(plan: Restoration) -> Iterator[str]:
    needed: dict[int, tuple[Path, int]] = {}
    for place in plan.places:
        if place.source is None or place.part is None:
            continue
        above = _existing(place.source.path.parent)
        device = above.stat().st_dev
        needed[device] = (above, needed.get(device, (above, 0))[1] + place.part.bytes)
    for path, size in needed.values():
        free = room(path).free
        if size > free:
            yield f"{path}: needs {size_text(size)} beside the present data, and only {size_text(free)} are free"


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _make_missing(harness: Harness, plan: Restoration) -> tuple[DataSource, ...]:
    """Return the sources of all places, in their order; volumes and the volume root are made."""
    found = []
    for place in plan.places:
        if place.source is not None:
            if place.source.kind is PartKind.DIRECTORY:
                make_volume_root(harness)
            found.append(place.source)
            continue
        if harness.engine.volume(place.fresh) is not None:
            raise RefusedError(f"{plan.name}: the volume {place.fresh} has appeared meanwhile; try again")
        volume = harness.engine.create_volume(place.fresh)
        if not volume.directory or place.part is None:
            raise EngineError(f"{plan.name}: the volume {place.fresh} has no directory on this host")
        path = Path(os.path.realpath(volume.directory))
        found.append(DataSource(kind=place.part.kind, path=path, targets=place.part.targets, name=volume.name))
    return tuple(found)


def _remove_made(harness: Harness, plan: Restoration) -> None:
    """Remove the volumes that were made for a restoration that is undone as a whole."""
    for place in plan.places:
        if place.fresh:
            with suppress(KharnessError):
                harness.engine.remove_volume(place.fresh)


def _carry_out(
    harness: Harness, directory: ContainerDir, plan: Restoration, sources: tuple[DataSource, ...]
) -> Restored:
    name, container = plan.name, plan.container
    operation = _operation(harness, plan, sources)
    last = next(iter(harness.state.releases(name, limit=1)), None)

    places = dict(zip(operation.restored, zip(plan.places, sources, strict=True), strict=True))

    def record() -> None:
        for place in plan.places:
            if place.target:
                keep_volume(harness, name, place.target, place.fresh)

    work = Exchanging(
        harness=harness,
        operation=operation,
        steps=steps_of(harness, operation),
        prepare=lambda path: _prepare(harness, plan, *places[path], operation),
        record=record,
        ready=lambda: _await(harness, directory, operation),
        after=last.id if last else 0,
    )
    if reasons := carry_out(work):
        left = undo(harness, operation, note="\n".join(reasons))
        if not left:
            _remove_made(harness, plan)
        how = "NOT ALL OF IT is as it was before" if left else "the present data are as they were before"
        raise LaunchError("\n".join((f"{name}: was not restored: {reasons[0]}", *reasons[1:], how, *left)))
    notes = complete(harness, operation)
    aside = tuple(
        (str(source.path), str(source.snapshots.place / operation.id))
        for source in sources
        if source.snapshots.has(operation.id)
    )
    started = container is not None and container.up
    return Restored(name=name, snapshot=operation.id, started=started, aside=aside, notes=notes)


def _operation(harness: Harness, plan: Restoration, sources: tuple[DataSource, ...]) -> Operation:
    tags = harness.tags(plan.name)
    live, prev = (harness.engine.image(ref) for ref in (tags.live, tags.prev))
    container = plan.container
    whence = f"snapshot {plan.snapshot}" if plan.file is None else str(plan.file)
    return Operation(
        id=secrets.token_hex(6),
        kind=Kind.RESTORE,
        name=plan.name,
        image=container.image_id if container else live.id if live else "",
        live=live.id if live else None,
        prev=prev.id if prev else None,
        tags=tags,
        evidence=Provenance(session="", tests=0),
        at=time.time(),
        container=container.name if container else "",
        former=former_of(container, harness.engine.request_of(container.id)) if container else None,
        restored=tuple(str(source.path) for source in sources),
        note=f"data of {whence}",
    )


def _prepare(
    harness: Harness, plan: Restoration, place: RestoredPlace, source: DataSource, operation: Operation
) -> None:
    harness.report(plan.name, f"preparing the data for {source.path}")
    if plan.file is None or place.part is None:
        source.snapshots.prepare(operation.id, of=plan.snapshot, progress=harness.details(plan.name))
        return
    member = members(plan.file)[place.part.file]
    source.snapshots.unpack(operation.id, partial(unpack, plan.file, member, sha256=place.part.sha256))


def _await(harness: Harness, directory: ContainerDir, operation: Operation) -> None:
    found = harness.engine.container(operation.former.id) if operation.former else None
    if found is None:
        raise LaunchError(f"{operation.container}: was removed while it started")
    wait_production(harness, found.id, plan_of(harness, directory, found))

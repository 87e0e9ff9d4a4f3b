"""Back up all data of a container into one file, as they were at one moment."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from posixpath import normpath

from kharness.errors import HostError, RefusedError, SettingsError, UsageError
from kharness.host.locks import lock
from kharness.host.machine.kernel import room
from kharness.host.volumes.archive import ArchiveWriter, remove_partial, writing
from kharness.host.volumes.fingerprint import Survey, survey
from kharness.host.volumes.snapshots import Snapshots
from kharness.ops.harness import Harness
from kharness.ops.project.identity import is_ours
from kharness.ops.project.production import present
from kharness.ops.project.retire import declared_mounts
from kharness.ops.release.ledger import recorded_live
from kharness.ops.release.recover import settle
from kharness.ops.release.release import LOCK_TIMEOUT
from kharness.ops.volumes.freeze import Stood, frozen
from kharness.ops.volumes.idmap import id_maps
from kharness.ops.volumes.mounters import known_volumes, running_mounters
from kharness.ops.volumes.root import check_volume_root
from kharness.ops.volumes.snapshots import snapshots_of
from kharness.plan.facts import ContainerFacts, MountFacts
from kharness.plan.launch.runspec import MountKind
from kharness.plan.release.carry import is_anonymous
from kharness.plan.text import size_text
from kharness.plan.volumes.backup import CHECKSUM, FORMAT, MANIFEST, BackupManifest, Omitted, Part, PartKind
from kharness.settings.volumes import Freeze

BACKUPS = ".kharness/backups"
"""Beside a directory: what was lent to a backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """A directory with data: `targets` are its places in the container, `name` is a volume's."""

    kind: PartKind
    path: Path
    targets: tuple[str, ...]
    name: str = ""

    @property
    def snapshots(self) -> Snapshots:
        """Its snapshots, beside it."""
        return Snapshots(self.path.parent, self.path.name)

    @property
    def lender(self) -> Snapshots:
        """Where copies of it are made for a backup."""
        return Snapshots(self.path.parent, self.path.name, place=BACKUPS)


def sources_of(harness: Harness, name: str) -> tuple[tuple[DataSource, ...], tuple[Omitted, ...]]:
    """Return where the data of a container are, and what else it mounts.

    Of the container that there is, else of its settings and of the anonymous volumes that are recorded. Raises
    `UsageError` where the engine is not on this host, `EngineError`.
    """
    if not harness.engine.facts().local:
        raise UsageError(f"{name}: its data are on the engine's host, and that is not this one")
    mounts = _mounts(harness, name)
    directory = snapshots_of(harness, name).directory
    omitted = tuple(_omitted(harness, mounts, directory, name))
    return (*_directory(directory, mounts), *_volumes(harness, mounts)), omitted


def _mounts(harness: Harness, name: str) -> tuple[MountFacts, ...]:
    found = present(harness, name)
    if found is not None:
        return found.mounts
    known = known_volumes(harness, name).items()
    anonymous = (
        MountFacts(kind=MountKind.VOLUME.value, source="", target=target, writable=True, name=volume)
        for target, volume in known
    )
    return (*declared_mounts(harness, name), *anonymous)


def _directory(directory: Path, mounts: tuple[MountFacts, ...]) -> Iterator[DataSource]:
    targets = tuple(sorted(mount.target for mount in mounts if _is_below(mount, directory)))
    if targets or os.path.lexists(directory):
        yield DataSource(kind=PartKind.DIRECTORY, path=directory, targets=targets)


def _volumes(harness: Harness, mounts: tuple[MountFacts, ...]) -> Iterator[DataSource]:
    targets: dict[str, list[MountFacts]] = {}
    for mount in mounts:
        if mount.kind == MountKind.VOLUME and mount.name:
            targets.setdefault(mount.name, []).append(mount)
    for volume, mounted in sorted(targets.items()):
        facts = harness.engine.volume(volume)
        if facts is not None and facts.directory:
            yield DataSource(
                kind=PartKind.ANONYMOUS if is_anonymous(mounted[0]) else PartKind.VOLUME,
                path=Path(os.path.realpath(facts.directory)),
                targets=tuple(sorted(normpath(mount.target) for mount in mounted)),
                name=volume,
            )


def _omitted(harness: Harness, mounts: tuple[MountFacts, ...], directory: Path, name: str) -> Iterator[Omitted]:
    for mount in mounts:
        if mount.kind == MountKind.BIND and not _is_below(mount, directory):
            yield Omitted(target=mount.target, source=mount.source, why=f"is not below {directory}")
        elif mount.kind == MountKind.VOLUME:
            facts = harness.engine.volume(mount.name)
            if facts is None:
                yield Omitted(target=mount.target, source=mount.name, why="is a volume that is not there")
            elif not facts.directory:
                why = "is a volume of another driver, or of a device: only a container sees what is in it"
                yield Omitted(target=mount.target, source=mount.name, why=f"{why} ({name} itself, for one)")


def _is_below(mount: MountFacts, directory: Path) -> bool:
    if mount.kind != MountKind.BIND or not mount.source:
        return False
    return PurePosixPath(os.path.realpath(mount.source)).is_relative_to(directory)


MOST = 600.0
"""Seconds that production may stand still, by default: a backup that takes longer is discarded."""
ROOM = 1 << 20
"""Bytes beside the data: headers, and the manifest."""
PER_ENTRY = 1536
"""Bytes of the headers of an entry."""
MOST_A_SECOND = 99
"""Files that one second can name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """A backup that is complete and on the disk: `size` in bytes; `notes` are for the user."""

    name: str
    path: Path
    size: int
    manifest: BackupManifest
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """What a backup holds: each source with its survey; and what is omitted."""

    sources: tuple[DataSource, ...]
    surveys: tuple[Survey, ...]
    omitted: tuple[Omitted, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """A part for each source, before it is written."""
        return tuple(
            Part(
                file=f"volumes/{number}.tar",
                kind=source.kind,
                targets=source.targets,
                source=str(source.path),
                name=source.name,
                entries=found.entries,
                bytes=found.bytes,
            )
            for number, (source, found) in enumerate(zip(self.sources, self.surveys, strict=True), 1)
        )


def default_folder(harness: Harness) -> Path:
    """Return where backups go by default: below the state directory, for each project."""
    return harness.host.state_dir / "backups" / harness.project.name


def would_back_up(harness: Harness, name: str, *, to: Path | None, now: float) -> BackedUp:
    """Return what a backup would hold, and where it would be. Raises as `backup` does, as far as is known before."""
    data = _looked_at(harness, name)
    path = place_of(harness, name, to, now=now)
    _refuse_place(name, path, data.sources)
    manifest = _manifest(harness, name, data.parts, data.omitted, now=now, moment="")
    return BackedUp(name=name, path=path, size=manifest.bytes, manifest=manifest)


def backup(harness: Harness, name: str, *, to: Path | None = None, most: float = MOST, now: float) -> BackedUp:
    """Write the data of a container into a file; containers that write to them stand still, for at most `most` seconds.

    `to` is a directory, or a file that is not there yet. `now` is seconds since the epoch. Nothing is left of a backup
    that fails. Raises `UsageError`, `HostError`, `RefusedError` where production could not stand still, `LockedError`
    while it is released or backed up.
    """
    with lock(harness.locks, f"backup-{name}", timeout=LOCK_TIMEOUT):
        with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
            settle(harness, name)
        data = _looked_at(harness, name)
        path = place_of(harness, name, to, now=now)
        _refuse_place(name, path, data.sources)
        if to is None:
            _make_folder(path.parent)
        remove_partial(path.parent, name)
        _refuse_full_disk(path.parent, data.surveys)
        for source in data.sources:
            source.lender.tidy()
        notes: list[str] = []
        with writing(path) as archive:
            parts, moment = _read(harness, name, archive, data, most=most, notes=notes)
            manifest = _manifest(harness, name, parts, data.omitted, now=now, moment=moment)
            said = archive.add_text(MANIFEST, manifest.to_json())
            archive.add_text(CHECKSUM, f"{said.sha256}  {MANIFEST}\n")
        return BackedUp(name=name, path=path, size=path.stat().st_size, manifest=manifest, notes=tuple(notes))


def place_of(harness: Harness, name: str, to: Path | None, *, now: float) -> Path:
    """Return the file of a backup. Raises `UsageError` where `to` is neither a directory nor a new file `*.tar`.

    In a directory it is called by the time, and the second one within a second has a number.
    """
    called = f"{name}-{datetime.fromtimestamp(now, tz=UTC):%Y%m%d-%H%M%S}"
    if to is None:
        return _free(default_folder(harness), called)
    to = to.absolute()
    if to.is_dir():
        return _free(to, called)
    if to.suffix != ".tar" or not to.parent.is_dir():
        raise UsageError(f"{to}: should be a directory that is there, or a file in one whose name ends in .tar")
    if os.path.lexists(to):
        raise UsageError(f"{to}: exists already, and is not overwritten")
    return to


def _free(folder: Path, called: str) -> Path:
    numbered = (f"{called}.tar", *(f"{called}-{number}.tar" for number in range(2, MOST_A_SECOND + 1)))
    return next((folder / name for name in numbered if not os.path.lexists(folder / name)), folder / numbered[0])


def _looked_at(harness: Harness, name: str) -> _Data:
    check_volume_root(harness)
    sources, omitted = sources_of(harness, name)
    there = tuple(source for source in sources if _is_there(source.path))
    if not there:
        raise UsageError(f"{name}: has no data that a backup could have")
    return _Data(sources=there, surveys=tuple(survey(source.path) for source in there), omitted=omitted)


def _is_there(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}; only root can read all data") from error


def _refuse_place(name: str, path: Path, sources: tuple[DataSource, ...]) -> None:
    real = Path(os.path.realpath(path.parent))
    for source in sources:
        if real.is_relative_to(os.path.realpath(source.path)):
            raise UsageError(f"{path}: should not be within the data of {name}, {source.path}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise HostError(f"{folder}: cannot be made: {error.strerror}") from error


def _refuse_full_disk(folder: Path, surveys: tuple[Survey, ...]) -> None:
    needed = sum(found.bytes + found.entries * PER_ENTRY for found in surveys) + ROOM
    free = room(folder).free
    if needed > free:
        raise HostError(f"{folder}: a backup needs {size_text(needed)}, and only {size_text(free)} are free")


def _read(
    harness: Harness, name: str, archive: ArchiveWriter, data: _Data, *, most: float, notes: list[str]
) -> tuple[tuple[Part, ...], str]:
    """Add all trees, in the moment while nothing writes, or from what was copied in it."""
    reader = secrets.token_hex(6)
    done: dict[str, Part] = {}
    lent: list[tuple[Part, Path]] = []
    with ExitStack() as stack:
        with _still(harness, name, data.sources, most=most, notes=notes) as (stood, steady):
            for part, source in zip(data.parts, data.sources, strict=True):
                stack.callback(source.lender.take_back, reader)
                if copy := source.lender.lend(reader):
                    lent.append((part, copy))
                    continue
                harness.report(name, f"reading {part.source} ({size_text(part.bytes)})")
                done[part.file] = _added(archive, part, source.path, steady=steady)
        if stood.cut_short:
            advice = f"'kharness down {name}' stops it for longer, --max-freeze allows more"
            raise HostError(f"{name}: reading its data took longer than {most:g} s, and it went on; {advice}")
        for part, copy in lent:
            harness.report(name, f"reading a copy of {part.source} ({size_text(part.bytes)})")
            done[part.file] = _added(archive, part, copy, steady=True)
        for found in data.surveys:
            notes.extend(f"a socket cannot be in a backup: {path}" for path in found.sockets)
    moment = str(stood) or "nothing that could write to them ran"
    return tuple(done[part.file] for part in data.parts), moment


@contextmanager
def _still(
    harness: Harness, name: str, sources: tuple[DataSource, ...], *, most: float, notes: list[str]
) -> Iterator[tuple[Stood, bool]]:
    """Stop this project from writing to the data in the block; yields how, and whether that worked."""
    writers = _writers(harness, sources)
    ours = tuple(each for each in writers if is_ours(harness, each))
    how = _how(harness, name)
    foreign = (each.name for each in writers if each not in ours)
    notes += [f"{each} is not production of this project, and may have written meanwhile" for each in foreign]
    if not ours or how is Freeze.NONE:
        # Nothing is started meanwhile.
        with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
            if how is not Freeze.NONE and any(is_ours(harness, each) for each in _writers(harness, sources)):
                raise RefusedError(f"{name}: was started meanwhile; try again")
            said = "production went on meanwhile (test.freeze: none)" if ours else ""
            notes.extend([said] if said else [])
            yield Stood(why=said), not writers
        return
    with frozen(harness, ours, how, limit=most) as stood:
        if stood.why:
            raise RefusedError(f"{name}: {stood.why}")
        yield stood, True


def _writers(harness: Harness, sources: tuple[DataSource, ...]) -> tuple[ContainerFacts, ...]:
    found = {each.id: each for source in sources for each in running_mounters(harness, source.path, writable=True)}
    return tuple(found.values())


def _how(harness: Harness, name: str) -> Freeze:
    directory = harness.catalog.get(name)
    try:
        return harness.settings(directory).test.freeze if directory else Freeze.PAUSE
    except SettingsError:
        return Freeze.PAUSE


def _added(archive: ArchiveWriter, part: Part, directory: Path, *, steady: bool) -> Part:
    stored = archive.add_tree(part.file, directory, steady=steady)
    return replace(part, size=stored.size, sha256=stored.sha256)


def _manifest(
    harness: Harness, name: str, parts: tuple[Part, ...], omitted: tuple[Omitted, ...], *, now: float, moment: str
) -> BackupManifest:
    container = present(harness, name)
    image = container.image_id if container else recorded_live(harness, name)
    facts = harness.engine.image(image) if image else None
    last = next(iter(harness.state.releases(name, limit=1)), None)
    return BackupManifest(
        format=FORMAT,
        kharness=version("kharness"),
        project=harness.project.name,
        name=name,
        at=now,
        image=image,
        digests=facts.digests if facts else (),
        release=last.id if last else 0,
        root=id_maps(harness).root,
        moment=moment,
        parts=parts,
        omitted=omitted,
    )

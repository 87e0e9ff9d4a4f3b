"""Volumes as text and as values: backups and restorations, prepared items, moved owners, tables of volumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kharness.plan.facts import short_id
from kharness.plan.text import size_text
from kharness.plan.volumes.backup import BackupManifest, Restored, Restoring
from kharness.plan.volumes.idmap import Moved
from kharness.plan.volumes.prepare import Prepared, PreparedState
from kharness.plan.volumes.snapshots import DeclaredVolume, DirectoryVolumes, Kept
from kharness.report.release import Line
from kharness.report.table import Layout, time_text, writes_text


def manifest_lines(manifest: BackupManifest) -> Iterator[Line]:
    """Return what is in a backup, and what is not."""
    for part in manifest.parts:
        where = ", ".join(part.targets) or "not mounted"
        what = f"volume {part.name}" if part.name else part.source
        yield Line(f"  {what} ({where}): {part.entries} entries, {size_text(part.bytes)}")
    for each in manifest.omitted:
        yield Line(f"  not included: {each.source} ({each.target}): {each.why}", "doubtful")


def backup_lines(
    manifest: BackupManifest, path: Path, *, size: int, notes: tuple[str, ...], dry_run: bool = False
) -> Iterator[Line]:
    """Return the lines about a backup that was made, or, with `dry_run`, that would be."""
    made = "would be backed up to" if dry_run else "is backed up to"
    yield Line(f"{manifest.name}: {made} {path} ({size_text(size)})", "good")
    yield from manifest_lines(manifest)
    if manifest.moment:
        yield Line(f"  {manifest.moment}")
    yield from (Line(f"  note: {note}", "doubtful") for note in notes)
    if not dry_run:
        yield Line(f"  'kharness restore {manifest.name} {path}' puts it back")


def backup_text(manifest: BackupManifest) -> str:
    """Return one line about a backup."""
    image = f", image {short_id(manifest.image)}" if manifest.image else ""
    whose = f"{manifest.name} of project {manifest.project!r}"
    return f"the backup of {time_text(manifest.at)} ({whose}{image}, {size_text(manifest.bytes)})"


def restoration_lines(found: Restoring) -> Iterator[Line]:
    """Return what a restoration would do, for the question to the user."""
    whence = backup_text(found.manifest) if found.manifest else f"snapshot {found.snapshot}"
    stopped = "; its container is stopped for a moment" if found.running else ""
    yield Line(f"{found.name}: {whence} takes the place of the present data, which are kept as a snapshot{stopped}")
    yield from (Line(f"  {path}") for path in found.paths)
    yield from (Line(f"  a new volume {volume}") for volume in found.fresh)


def restored_lines(found: Restored) -> Iterator[Line]:
    """Return the lines about a restoration that was carried out."""
    runs = "production runs on the restored data" if found.started else f"'kharness up {found.name}' launches it"
    yield Line(f"{found.name}: is restored; {runs}", "good")
    for path, aside in found.aside:
        yield Line(f"  the earlier data: {path} is in {aside}")
    if found.aside:
        yield Line(f"  'kharness restore {found.name} --snapshot {found.snapshot}' puts them back")
    yield from (Line(f"  note: {note}", "doubtful") for note in found.notes)


TONES = {
    PreparedState.CREATED: "good",
    PreparedState.FIXED: "good",
    PreparedState.DIFFERS: "doubtful",
    PreparedState.REFUSED: "bad",
}
WOULD = {PreparedState.CREATED: "would create", PreparedState.FIXED: "would fix"}


def prepared_lines(name: str, found: tuple[Prepared, ...], *, dry_run: bool) -> Iterator[Line]:
    """Yield one line an item, aligned: the container, what became of it, its path, and why or how."""
    width = max((len(each.item.said) for each in found), default=0)
    for each in found:
        state = WOULD.get(each.state, each.state.value) if dry_run else each.state.value
        about = "; ".join(each.notes) or _declared(each)
        yield Line(f"{name}: {state:<12}  {each.item.said:<{width}}  {about}", TONES.get(each.state, "detail"))


def _declared(found: Prepared) -> str:
    item = found.item
    mapped = "" if item.inside == item.owner else f" ({item.owner[0]}:{item.owner[1]} on the host)"
    return f"{item.kind}, owner {item.inside[0]}:{item.inside[1]}{mapped}, mode {item.mode:04o}"


def moved_lines(name: str, found: tuple[Moved, ...], *, dry_run: bool) -> Iterator[Line]:
    """Yield a line for the mappings, then lines a volume: how many owners were moved, and what of the others."""
    width = max((len(each.said) for each in found), default=0)
    for each in found[:1]:
        yield Line(f"{name}: owners, {each.shift.uid}, {each.shift.gid}")
    for each in found:
        begin = f"{name}: {each.said:<{width}}"
        if each.found is None:
            yield Line(f"{begin}  left alone: {each.why}", "doubtful")
            continue
        counts = each.found
        moved = f"{'would move' if dry_run else 'moved'} {counts.moved}"
        kept = f", {counts.kept} of them with set-id bits or capabilities, which stay" if counts.kept else ""
        yield Line(f"{begin}  {moved}{kept}; {counts.done} were moved already", "good" if counts.moved else "detail")
        if counts.foreign:
            yield Line(f"{begin}  {counts.foreign} belong to neither mapping, such as {counts.example}", "doubtful")
        for place in counts.left:
            yield Line(f"{begin}  {place} is a mount point, and was not entered", "doubtful")


VOLUMES = Layout(("target", "source", "mode", "in a test", "owner", "size", "entries"))
SNAPSHOTS = Layout(("snapshot", "taken", "how", "size", "before the launch of", "in place of"))


def volume_row(volume: DeclaredVolume) -> tuple[str, ...]:
    """Return a row of the table of volumes."""
    place = volume.place
    owner, size, entries = "missing" if volume.known else "", "", ""
    if place is not None:
        owner = f"{place.uid}:{place.gid} {place.mode:04o}"
        size = "" if place.bytes is None else size_text(place.bytes)
        entries = "" if place.entries is None else str(place.entries)
    source = volume.source or f"({volume.kind})"
    return volume.target, source, "ro" if volume.read_only else "rw", volume.in_test, owner, size, entries


def snapshot_row(kept: Kept) -> tuple[str, ...]:
    """Return a row of the table of snapshots."""
    found = kept.snapshot
    images = short_id(found.image), short_id(found.previous)
    return found.name, time_text(found.at), found.strategy, size_text(kept.bytes), *images


def volume_notes(found: DirectoryVolumes) -> Iterator[str]:
    """Yield what no table has room for: why a tree cannot be counted, and what a discarded tree holds."""
    for volume in found.volumes:
        if volume.place is not None and volume.place.problem:
            yield f"{volume.target}: {volume.place.problem}"
    for kept in found.snapshots:
        if kept.snapshot.discarded:
            said = writes_text(kept.snapshot.writes)
            yield f"{kept.snapshot.name}: what was discarded when the launch was undone: {said}"


def volumes_value(found: DirectoryVolumes) -> dict[str, Any]:
    """Return it as plain values; modes are octal texts, times seconds since the epoch, sizes bytes."""
    volumes = [asdict(volume) for volume in found.volumes]
    for volume in volumes:
        if volume["place"] is not None:
            volume["place"]["mode"] = f"{volume['place']['mode']:04o}"
    snapshots = [{"name": kept.snapshot.name, **asdict(kept.snapshot), "bytes": kept.bytes} for kept in found.snapshots]
    return {"name": found.name, "volumes": volumes, "snapshots": snapshots}

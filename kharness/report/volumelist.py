"""The volumes of a container directory, as tables for people and as values for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from kharness.plan.facts import short_id
from kharness.plan.sizes import size_text
from kharness.plan.volumelist import DeclaredVolume, DirectoryVolumes, Kept
from kharness.report.amounts import time_text, writes_text

VOLUMES = ("target", "source", "mode", "in a test", "owner", "size", "entries")
SNAPSHOTS = ("snapshot", "taken", "how", "size", "before the launch of", "in place of")


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
    """Say what no table has room for: what cannot be counted, and what a discarded tree is."""
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

"""What was written to a tree, by comparing two states of it: a volume's fingerprints, or a watched path's manifests."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass

from kharness.plan.drift.changes import Drifted, Kind, drifted, mode_text, owner_text, type_of
from kharness.plan.facts import Change
from kharness.plan.session.untouched import RECORD, TOP, Fingerprint, records
from kharness.plan.trees import compare

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """An entry: `mode` as of stat(2), owner, group, and of files and links a digest of the content."""

    mode: int
    uid: int
    gid: int
    size: int
    digest: str = ""


Manifest = Mapping[str, ManifestEntry]
"""Entries by their absolute paths in the container."""


def manifest_of(path: str, found: Fingerprint) -> dict[str, ManifestEntry]:
    """Return the manifest of a watched path, out of a fingerprint with contents; empty where nothing is there."""
    if not found.top:
        return {}
    every = {TOP: found.top, **records(found)}
    return {
        path if name == TOP else f"{path}/{name}": _entry(record, found.digests.get(name, b""))
        for name, record in every.items()
    }


def drifted_since(before: Manifest, after: Manifest) -> Iterator[Drifted]:
    """Yield what differs; times do not count."""
    for path, old, new in compare(before, after):
        if new is not None:
            yield _change(path, old, new) if old is not None else _drifted(path, "added", new)
        elif old is not None:
            yield _drifted(path, "removed", old)


def to_json(manifests: Mapping[str, Manifest]) -> str:
    """Return the manifests of watched paths as text; odd bytes of names are escaped surrogates."""
    paths = {path: {name: astuple(entry) for name, entry in found.items()} for path, found in manifests.items()}
    return json.dumps({"format": FORMAT, "paths": paths})


def from_json(text: str) -> dict[str, dict[str, ManifestEntry]]:
    """Read what `to_json` wrote; ValueError where it is something else."""
    try:
        said = json.loads(text)
        if said["format"] != FORMAT:
            raise ValueError(f"format {said['format']} is not known")
        return {
            path: {name: ManifestEntry(*row) for name, row in found.items()} for path, found in said["paths"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no manifest: {error!r}") from error


def _entry(record: bytes, digest: bytes) -> ManifestEntry:
    mode, _, _, _, uid, gid, size, _ = RECORD.unpack(record)
    # A directory's size is the file system's business.
    return ManifestEntry(mode=mode, uid=uid, gid=gid, size=0 if stat.S_ISDIR(mode) else size, digest=digest.hex())


def _change(path: str, old: ManifestEntry, new: ManifestEntry) -> Drifted:
    if stat.S_IFMT(old.mode) != stat.S_IFMT(new.mode):
        return _drifted(path, "changed", new, [f"{type_of(old.mode)} -> {type_of(new.mode)}"])
    what = []
    kind: Kind = "changed"
    if old.mode != new.mode:
        what.append(mode_text(old.mode, new.mode))
    owners = (old.uid, old.gid), (new.uid, new.gid)
    if owners[0] != owners[1]:
        what.append(owner_text(*owners))
    if (old.size, old.digest) == (new.size, new.digest):
        kind = "mode" if old.mode != new.mode else "owner"
    return _drifted(path, kind, new, what)


def _drifted(path: str, kind: Kind, entry: ManifestEntry, what: Iterable[str] = ()) -> Drifted:
    return drifted(path, kind, mode=entry.mode, owner=(entry.uid, entry.gid), size=entry.size, what=what)


def changes_between(before: Fingerprint, after: Fingerprint, *, same_place: bool = True) -> tuple[Change, ...]:
    """Return what was added, changed and removed, sorted by path.

    A directory is changed when its own owner or mode is, not because something in it is. Without `same_place` the two
    are of different places, so that inodes say nothing.
    """
    return tuple(
        Change("removed" if new is None else "added" if old is None else "changed", path)
        for path, old, new in compare(records(before), records(after))
        if old is None or new is None or _differ(old, new, same_place=same_place)
    )


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return changes sorted by their paths' bytes."""
    return tuple(sorted(changes, key=lambda change: os.fsencode(change.path)))


def _differ(old: bytes, new: bytes, *, same_place: bool) -> bool:
    mode, inode, device, _, uid, gid, size, mtime = RECORD.unpack(old)
    mode_, inode_, device_, _, uid_, gid_, size_, mtime_ = RECORD.unpack(new)
    if (mode, uid, gid) != (mode_, uid_, gid_):
        return True
    if stat.S_ISDIR(mode):
        return False
    moved = same_place and (inode, device) != (inode_, device_)
    return moved or (size, mtime) != (size_, mtime_)

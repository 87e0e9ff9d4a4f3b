"""What was in a watched path of a volume when somebody said that it is right, and what differs since. Pure."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass

from kharness.plan.drift import Drifted, Kind, drifted, mode_text, owner_text, type_of
from kharness.plan.untouched import RECORD, TOP, Fingerprint, records

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: `mode` as of stat(2), owner, group, and of files and links what stands for the content."""

    mode: int
    uid: int
    gid: int
    size: int
    digest: str = ""


Manifest = Mapping[str, Entry]
"""Entries by their absolute paths in the container."""


def manifest_of(path: str, found: Fingerprint) -> dict[str, Entry]:
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
    for path in before.keys() | after.keys():
        old, new = before.get(path), after.get(path)
        if new is None and old is not None:
            yield _drifted(path, "removed", old)
        elif new is not None and old is None:
            yield _drifted(path, "added", new)
        elif new is not None and old is not None and new != old:
            yield _change(path, old, new)


def to_json(manifests: Mapping[str, Manifest]) -> str:
    """Return the manifests of watched paths as text; odd bytes of names are escaped surrogates."""
    paths = {path: {name: astuple(entry) for name, entry in found.items()} for path, found in manifests.items()}
    return json.dumps({"format": FORMAT, "paths": paths})


def from_json(text: str) -> dict[str, dict[str, Entry]]:
    """Read what `to_json` wrote; ValueError where it is something else."""
    try:
        said = json.loads(text)
        if said["format"] != FORMAT:
            raise ValueError(f"format {said['format']} is not known")
        return {path: {name: Entry(*row) for name, row in found.items()} for path, found in said["paths"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no manifest: {error!r}") from error


def _entry(record: bytes, digest: bytes) -> Entry:
    mode, _, _, _, uid, gid, size, _ = RECORD.unpack(record)
    # A directory's size is the file system's business.
    return Entry(mode=mode, uid=uid, gid=gid, size=0 if stat.S_ISDIR(mode) else size, digest=digest.hex())


def _change(path: str, old: Entry, new: Entry) -> Drifted:
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


def _drifted(path: str, kind: Kind, entry: Entry, what: Iterable[str] = ()) -> Drifted:
    return drifted(path, kind, mode=entry.mode, owner=(entry.uid, entry.gid), size=entry.size, what=what)

"""Manifests of watched paths, kept in a file for each container directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kharness.errors import HostError
from kharness.host.durable import sync_directory, write_text
from kharness.host.fingerprint import fingerprint
from kharness.plan.manifest import Entry, Manifest, from_json, manifest_of, to_json
from kharness.plan.untouched import shown


def look(source: Path, below: Sequence[str], path: str) -> dict[str, Entry]:
    """Return the manifest of a path in a volume, by paths in the container; `below` are the names on the way.

    Every content is read. Raises `HostError` where something cannot be, and where a link would lead elsewhere.
    """
    place = source
    for part in below:
        place /= part
        if place.is_symlink():
            raise HostError(
                f"{shown(path)}: {shown(str(place))} should be no link: what it leads to is not in the volume"
            )
    found = fingerprint(place, contents=True)
    for name, why in found.unread.items():
        raise HostError(f"{shown(f'{path}/{name}' if name else path)}: cannot be read: {why}")
    return manifest_of(path, found)


def save(file: Path, manifests: Mapping[str, Manifest]) -> None:
    """Write a file of manifests, in place of an earlier one or not at all; raises `HostError`."""
    new = file.with_name(f"{file.name}.new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_text(new, to_json(manifests))
        new.chmod(0o600)
        new.replace(file)
        sync_directory(file.parent)
    except OSError as error:
        raise HostError(f"{file}: cannot be written: {error.strerror}") from error


def load(file: Path) -> dict[str, dict[str, Entry]]:
    """Read a file of manifests; empty where there is none. Raises `HostError`."""
    try:
        return from_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HostError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise HostError(f"{file}: should be what 'kharness cowscan --accept' wrote: {error}") from error

"""Manifests of watched paths, kept in a file for each container directory."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from kharness.errors import HostError
from kharness.host.durable import sync_directory, write_text
from kharness.host.trees import InTheWayError, holding, open_beneath
from kharness.host.volumes.fingerprint import fingerprint
from kharness.plan.session.untouched import RECORD, Fingerprint, shown
from kharness.plan.volumes.manifest import Manifest, ManifestEntry, from_json, manifest_of, to_json


def manifest_in(source: Path, below: Sequence[str], path: str) -> dict[str, ManifestEntry]:
    """Return the manifest of a path in a volume, by paths in the container; `below` are the names on the way.

    Every content is read. Raises `HostError` where something cannot be, and where a link would lead elsewhere.
    """
    found = _fingerprint_in(source, below, path)
    if below and found.top and stat.S_ISLNK(RECORD.unpack(found.top)[0]):
        raise _link_refused(path, source.joinpath(*below))
    for inner, why in found.unread.items():
        raise HostError(f"{shown(f'{path}/{inner}' if inner else path)}: cannot be read: {why}")
    return manifest_of(path, found)


def _fingerprint_in(source: Path, below: Sequence[str], path: str) -> Fingerprint:
    if not below:
        return fingerprint(source, contents=True)
    try:
        with holding(open_beneath(source, below[:-1])) as at:
            return fingerprint(Path(below[-1]), contents=True, within=at)
    except FileNotFoundError:
        return Fingerprint()
    except InTheWayError as error:
        if error.is_link:
            raise _link_refused(path, error.path) from error
        return Fingerprint()
    except OSError as error:
        raise HostError(f"{shown(path)}: cannot be read: {error.strerror}") from error


def _link_refused(path: str, place: Path) -> HostError:
    return HostError(f"{shown(path)}: {shown(str(place))} should be no link: what it leads to is not in the volume")


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


def load(file: Path) -> dict[str, dict[str, ManifestEntry]]:
    """Read a file of manifests; empty where there is none. Raises `HostError`."""
    try:
        return from_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HostError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise HostError(f"{file}: should be what 'kharness cowscan --accept' wrote: {error}") from error

"""Records of the containers that are paused or stopped for a copy: a file each, read after a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import HostError
from kharness.host.durable import write_text
from kharness.host.session.owner import Owner, liveness


@dataclass(frozen=True, slots=True)
class Standstill:
    """A container's id, and how it was brought to a stand: `pause` or `stop`."""

    container: str
    how: str


def note(directory: Path, standstill: Standstill, owner: Owner) -> None:
    """Record a standstill so that it survives a crash of this machine. Raises `HostError`."""
    path = _path(directory, standstill.container)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"how": standstill.how, **owner.labels()}))
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}") from error


def forget(directory: Path, container: str) -> None:
    """Remove the record of a container that runs again."""
    _path(directory, container).unlink(missing_ok=True)


def abandoned(directory: Path, here: Owner) -> Iterator[Standstill]:
    """Yield the containers whose owner, the process that stopped them, is dead."""
    for path in sorted(directory.glob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            owner, how = Owner.from_labels(said), str(said["how"])
        except (OSError, ValueError, KeyError):
            continue
        if owner is not None and liveness(owner, here) == "dead":
            yield Standstill(path.stem, how)


def _path(directory: Path, container: str) -> Path:
    return directory / f"{container}.json"

"""Which containers are kept from running, and by whom: a file each, for whoever finds them after a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import HostError
from kharness.host.durable import write_text
from kharness.host.owner import Owner, liveness


@dataclass(frozen=True, slots=True)
class Standstill:
    """A container's id, and how it is kept: `pause` or `stop`."""

    container: str
    how: str


def note(directory: Path, standstill: Standstill, owner: Owner) -> None:
    """Remember it, across a crash of this machine; raises `HostError` where that cannot be."""
    path = _path(directory, standstill.container)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"how": standstill.how, **owner.labels()}))
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}") from error


def forget(directory: Path, container: str) -> None:
    """Forget a container that runs again."""
    _path(directory, container).unlink(missing_ok=True)


def abandoned(directory: Path, here: Owner) -> Iterator[Standstill]:
    """Yield the containers whose keeper is dead."""
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

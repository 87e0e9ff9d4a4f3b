"""Which containers are kept from running, and by whom: a file each, for whoever finds them after a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import HostError
from kharness.host.owner import Owner, liveness


@dataclass(frozen=True, slots=True)
class Standstill:
    """A container's id, and how it is kept: `pause` or `stop`."""

    container: str
    how: str


@contextmanager
def noted(directory: Path, standstill: Standstill, owner: Owner) -> Iterator[None]:
    """Keep a note while the block runs; raises `HostError` where it cannot be written."""
    path = directory / f"{standstill.container}.json"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"how": standstill.how, **owner.labels()}), encoding="utf-8")
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}") from error
    yield
    # Not after a failure to let it run again: then the next command tries.
    path.unlink(missing_ok=True)


def abandoned(directory: Path, here: Owner) -> Iterator[Standstill]:
    """Yield the containers whose keeper is dead; the note goes when the next one is asked for."""
    for path in sorted(directory.glob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            owner = Owner.from_labels(said)
        except (OSError, ValueError):
            continue
        if owner is not None and liveness(owner, here) == "dead":
            yield Standstill(path.stem, str(said.get("how")))
            path.unlink(missing_ok=True)

"""Work on a whole container that was begun and is not over: while it is noted, nothing else is done with the name.

Each step of such work looks first, so that the same command, typed again, finishes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kharness.errors import RefusedError, StateError
from kharness.ops.harness import Harness

UNFINISHED = "unfinished: "
"""What the keys of the state's facts about it begin with; the rest is the container's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What was begun, the `command` that finishes it, and what the command has to know when it is typed again."""

    what: str
    command: str
    known: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.what} was cut short; '{self.command}' finishes it"


def key(name: str) -> str:
    """Return the key of the fact about a container."""
    return f"{UNFINISHED}{name}"


def begin(harness: Harness, names: Iterable[str], work: Unfinished) -> None:
    """Note what begins, before anything is changed. Raises `StateError`."""
    text = json.dumps(asdict(work))
    harness.state.set_facts({key(name): text for name in names})


def unfinished(harness: Harness, name: str) -> Unfinished | None:
    """Return what was begun with a container and is not over. Raises `StateError`."""
    said = harness.state.fact(key(name))
    return _read(harness, name, said) if said else None


def all_unfinished(harness: Harness) -> Mapping[str, Unfinished]:
    """Return all that was begun and is not over, by the containers' names. Raises `StateError`."""
    found = harness.state.facts(UNFINISHED)
    return {name: _read(harness, name, said) for name, said in found.items() if said}


def refuse_unfinished(harness: Harness, name: str) -> None:
    """Raise `RefusedError` where something else was begun with a container and is not over."""
    if found := unfinished(harness, name):
        raise RefusedError(f"{name}: {found}")


def _read(harness: Harness, name: str, said: str) -> Unfinished:
    try:
        return Unfinished(**json.loads(said))
    except (TypeError, ValueError) as error:
        raise StateError(f"{harness.state.path}: what was begun with {name} cannot be read: {error!r}") from error

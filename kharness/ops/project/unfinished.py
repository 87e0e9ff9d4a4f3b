"""Names that are not as they should be: work on a container that is not over, and containers without a directory.

Each step of such work looks first, so that the same command, typed again, finishes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kharness.errors import RefusedError, StateError
from kharness.ops.project.identity import names_in_production
from kharness.ops.project.view import View
from kharness.plan.project import rename_hints

if TYPE_CHECKING:
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


def lost_names(harness: Harness) -> frozenset[str]:
    """Return the names that the ledger or production has, and no directory. Raises `EngineError`, `StateError`."""
    known = {directory.name for directory in harness.catalog.directories}
    return (harness.state.names_in_use() | names_in_production(harness)) - known


def hints_of(view: View, lost: Iterable[str]) -> Mapping[str, str]:
    """Return a hint for each of these names if a directory exists of which nothing runs and nothing is live."""
    lost = frozenset(lost)
    if not lost:
        return {}
    there = names_in_production(view)
    fresh = (directory.name for directory in view.catalog.directories if directory.name not in there)
    unreleased = [name for name in fresh if view.engine.image(view.tags(name).live) is None]
    return dict(rename_hints(lost, unreleased))


def hint_for_new(harness: Harness, name: str) -> str:
    """Return a hint for the first launch of a directory; empty if no known name has lost its directory."""
    if harness.state.releases_in_use(name, limit=1):
        return ""
    hints = (f"'kharness rename {old} {name}'" for old in sorted(lost_names(harness)))
    said = " or ".join(hints)
    return (
        f"nothing of it was released here; if it had another name, {said} takes records and data along" if said else ""
    )

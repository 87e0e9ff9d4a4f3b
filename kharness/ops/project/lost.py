"""Containers whose directories are gone: deleted or renamed, which only the user knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from kharness.ops.project.identity import names_in_production
from kharness.ops.project.view import View
from kharness.plan.project.moves import rename_hints

if TYPE_CHECKING:
    from kharness.ops.harness import Harness


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

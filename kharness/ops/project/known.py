"""The containers that a project knows, even without a directory, and the keys of their recorded facts."""

from __future__ import annotations

from difflib import get_close_matches

from kharness.errors import UsageError
from kharness.ops.gate.facts import PASSED, RELEASED
from kharness.ops.harness import Harness
from kharness.ops.launch.deviations import RECORDS
from kharness.ops.launch.subject import STAYS_DOWN
from kharness.ops.project.identity import names_in_production, whose
from kharness.ops.project.unfinished import all_unfinished
from kharness.ops.release.release import LINE
from kharness.ops.volumes.mounters import volumes_key

FACTS = (STAYS_DOWN, LINE, RECORDS, PASSED, RELEASED)
"""What the keys of the facts about one container begin with; the rest is its name."""


def known_names(harness: Harness) -> frozenset[str]:
    """Return the names of this project's directories, production containers and records.

    Raises `EngineError`, `StateError`.
    """
    directories = {directory.name for directory in harness.catalog.directories}
    return frozenset(
        directories | names_in_production(harness) | harness.state.names() | all_unfinished(harness).keys()
    )


def must_be_known(harness: Harness, name: str) -> None:
    """Raise `UsageError` where this project has no directory, container or record of that name.

    The text has the nearest names, and the owner of a container of that name.
    """
    known = known_names(harness)
    if name in known:
        return
    stranger = harness.engine.container(name) if name else None
    whom = f"; the container {stranger.name} {whose(harness, stranger)}" if stranger else ""
    nearest = get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    advice = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
    nothing = f"project {harness.project.name!r} has no directory, container or record of that name"
    raise UsageError(f"{name}: {nothing}{whom}{advice}")


def fact_keys(harness: Harness, name: str) -> tuple[str, ...]:
    """Return the keys of all facts about a container."""
    return (*(f"{beginning}{name}" for beginning in FACTS), volumes_key(harness, name))

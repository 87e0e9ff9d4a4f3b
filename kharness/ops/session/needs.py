"""The dependencies of a container: whether each meets its condition, and what launches it where not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kharness.errors import SettingsError
from kharness.ops.harness import Harness
from kharness.ops.launch.subject import why_stays_down
from kharness.ops.project.production import how_to_launch, present
from kharness.ops.session.readiness import probed
from kharness.plan.launch.plan import Subject
from kharness.plan.session.readiness import HEALTHY, why_unmet
from kharness.settings.model import Settings


def unmet_needs(harness: Harness, settings: Settings) -> Mapping[str, str]:
    """Return why each dependency does not meet its condition, as the end of a sentence; empty where all do."""
    return dict(_unmet(harness, settings.depends_on))


def needs_text(unmet: Mapping[str, str]) -> tuple[str, ...]:
    """Return a reason for each, as the end of a sentence that names what needs them."""
    return tuple(f"needs {name}, which {reason}" for name, reason in unmet.items())


def refusals_of_needs(harness: Harness, subject: Subject) -> tuple[str, ...]:
    """Return why a launch could not work, each with the command that launches what is missing."""
    unmet = unmet_needs(harness, subject.settings)
    return tuple(f"needs {name}, which {reason}; {how_to_launch(harness, name)}" for name, reason in unmet.items())


def why_unmet_now(harness: Harness, name: str, condition: str) -> str:
    """Return why one dependency does not meet its condition, as the end of a sentence; empty where it does."""
    return dict(_unmet(harness, {name: condition})).get(name, "")


def _unmet(harness: Harness, wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, condition in wanted.items():
        if reason := _why_unmet(harness, name, condition):
            down = why_stays_down(harness, name)
            yield name, f"{reason}; it {down}" if down else reason


def _why_unmet(harness: Harness, name: str, condition: str) -> str:
    directory = harness.catalog.get(name)
    if directory is None:
        return "is no container directory"
    try:
        may_end = harness.settings(directory).may_end
    except SettingsError:
        may_end = False
    found = present(harness, name)
    reason = why_unmet(condition, found, may_end=may_end)
    if not reason and condition == HEALTHY and found is not None:
        reason = "; ".join(probed(harness.engine, found))
    return reason

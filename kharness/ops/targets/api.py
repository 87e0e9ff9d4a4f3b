"""A production target: something that runs one instance of a plan and can swap it for another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kharness.plan.facts import ContainerFacts
from kharness.plan.launch import LaunchPlan, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A swap that is not decided yet: the new container runs, the old one is stopped and kept aside.

    `old_name` is the old one's present name, `old` what it was before.
    """

    name: str
    new: str
    old: ContainerFacts | None = None
    old_name: str = ""


class Target(Protocol):
    """Runs production instances."""

    def current(self, name: str) -> ContainerFacts | None:
        """Return the production container of that name, stopped or not.

        Raises `ConflictError` when what has the name is not kharness's.
        """

    def replace(self, subject: Subject, plan: LaunchPlan) -> Replacement:
        """Put the old one aside and start the new one; whatever fails, the old one runs again.

        Raises `LaunchError`; it says what could not be put back, too.
        """

    def keep(self, replacement: Replacement) -> tuple[str, ...]:
        """Decide for the new one: the old one is removed. Returns what is left to do, as notes."""

    def revert(self, replacement: Replacement) -> None:
        """Decide for the old one: the new one is removed, the old one is what it was.

        Raises `LaunchError` that says what could not be done, and what to do by hand.
        """

"""A production target: something that runs one instance of a plan and can swap it for another."""

from __future__ import annotations

from typing import Protocol

from kharness.ops.putback import PutBack
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch import LaunchPlan, Subject
from kharness.plan.operation import Operation


class Target(Protocol):
    """Runs production instances. What it does for an operation can be undone or kept by another process."""

    def current(self, name: str, *, of: str) -> ContainerFacts | None:
        """Return the production container of that name, stopped or not.

        Raises `ConflictError` when what has the name is not the production of the container directory `of`.
        """

    def replace(self, operation: Operation, subject: Subject, plan: LaunchPlan) -> str:
        """Put the old one aside, start the new one and return its id. What fails is undone by whoever calls."""

    def keep(self, operation: Operation) -> tuple[str, ...]:
        """Decide for the new one: the old one is removed. Returns what is left to do, as notes."""

    def undo(self, operation: Operation, back: PutBack, *, crashed: bool) -> None:
        """Add the steps after which the new one is gone and the old one is what it was.

        Each looks first, and does nothing where nothing is to do. `crashed`: the last request of a process that is
        dead may still be under way.
        """

"""Where production runs, as a Protocol of what a release asks of it and does with it.

The engine of the harness builds and tests; production is a target beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kharness.ops.project.view import Production
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.release.operation import Former, Operation
from kharness.plan.release.steps import Act, Step, Strategy

Reasons = tuple[str, ...]
"""Why something is refused or undone; empty means that nothing speaks against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSurvey:
    """What an operation must know of what is replaced, and of what is made for the new container.

    The fields are those of `Operation`; `notes` are for the person who launches.
    """

    former: Former | None
    fresh: tuple[str, ...] = ()
    carried: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """How a step is done, undone, and completed once the operation is decided.

    Each looks first, and does nothing where nothing is to do. `do` gets a `kharness.ops.release.work.Work` and returns
    reasons to undo the operation; `undo` gets a `Back`. `complete` gets the harness and the operation, and returns
    notes about what is left to do. `KharnessError`s that they raise are reasons as well, or left to do.
    """

    do: Callable[[Any, Step], Reasons | None]
    undo: Callable[[Any, Step], None] | None = None
    complete: Callable[[Any, Operation, Step], Iterable[str]] | None = None


class Target(Production, Protocol):
    """Production, and how a release changes it."""

    @property
    def strategy(self) -> Strategy:
        """The steps by which it launches."""

    @property
    def handlers(self) -> Mapping[Act, Handler]:
        """How the steps of a launch that are the target's own are done and undone."""

    def claim(self, name: str, plan: LaunchPlan) -> ContainerFacts | None:
        """Return what has the name of a plan, None where it is free.

        Raises `ConflictError` where it is not production of the directory `name`.
        """

    def is_launched(self, found: ContainerFacts, subject: Subject, plan: LaunchPlan) -> bool:
        """Whether what runs is what the plan asks for; where it only looks so, the difference is reported."""

    def survey(self, subject: Subject, plan: LaunchPlan) -> LaunchSurvey:
        """Look at what is replaced, and at what the new container needs; nothing is changed.

        Raises `ConflictError`, `HostError`, and `UsageError` for what this target cannot give.
        """

    def launched(self, operation: Operation) -> ContainerFacts:
        """Return what an operation has launched; raises `LaunchError` where it vanished."""

    def wait_ready(self, container: str, plan: LaunchPlan) -> float:
        """Wait until a container is ready; returns the seconds. Raises `LaunchError` with what it printed."""

    def watch(self, container: str, plan: LaunchPlan, *, before: ContainerFacts | None, until: float) -> Reasons:
        """Watch a container until then, by the monotonic clock, `before` being what it was when it became ready.

        Returns the reasons that speak against it; raises `LaunchError` where there is something to report of its end.
        """

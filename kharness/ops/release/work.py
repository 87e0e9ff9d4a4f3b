"""What the steps of an operation are done with, and undone with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kharness.ops.harness import Harness
from kharness.ops.release.target import Reasons
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.release.operation import Operation
from kharness.plan.release.steps import Step

Tests = Callable[[], Reasons]
"""Runs the in-production tests and returns the reasons that speak against what runs now."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """An operation on its way forward."""

    harness: Harness
    operation: Operation
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Launching(Work):
    """A launch on its way forward.

    `tests` are None where none are run, `running` is the id of the container that is verified in place, empty where a
    new one is made. The new one is watched for `watched` seconds after it is ready, unless that is None.
    """

    subject: Subject
    plan: LaunchPlan
    tests: Tests | None = None
    running: str = ""
    watched: float | None = None


@dataclass(frozen=True, kw_only=True)
class Back:
    """An operation on its way back: all that is known is what the journal has.

    Where the process that began it has `crashed`, its last request may still be under way.
    """

    harness: Harness
    operation: Operation
    crashed: bool = False

"""What changed in production."""

from __future__ import annotations

from kharness.plan.checks.production import UnexpectedChanges
from tests.plan.checks.given import found


def test_only_the_first_of_many_changes_are_listed() -> None:
    told = found("KH201", UnexpectedChanges(left=tuple(f"/{number}: added" for number in range(25))))
    assert len(told) == 21
    assert told[-1] == "and 5 more, which 'kharness cowscan' shows"

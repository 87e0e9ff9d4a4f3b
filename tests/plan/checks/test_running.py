"""Programs that run in a container."""

from __future__ import annotations

from dataclasses import replace

from kharness.settings.policy import Policy
from tests.plan.checks.given import RUNS, found


def test_declared_programs_are_all_that_run() -> None:
    policy = Policy(processes=("web", "worker"))
    assert found("KH310", RUNS, policy) == ["worker does not run"]
    assert found("KH310", replace(RUNS, programs=frozenset({"web", "worker", "sh"})), policy) == [
        "sh runs, and policy.processes does not name it"
    ]

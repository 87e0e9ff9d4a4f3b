"""What a dependency must have reached, by its condition and its state."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.plan.facts import ContainerFacts, HealthFacts
from kharness.plan.session.readiness import COMPLETED, HEALTHY, STARTED, why_unmet

CHECK = HealthFacts(test=("CMD", "true"))


def facts(state: str, **more: Any) -> ContainerFacts:
    return ContainerFacts(id="1", name="db", image_id="sha256:1", state=state, **more)


@pytest.mark.parametrize(
    ("condition", "found", "reason"),
    [
        (STARTED, None, "has no container"),
        (STARTED, facts("running"), ""),
        (STARTED, facts("running", health="unhealthy", health_check=CHECK), ""),
        (STARTED, facts("paused"), "is paused; 'docker unpause db' lets it go on"),
        (STARTED, facts("restarting", exit_code=1), "keeps restarting; it last exited with 1"),
        (STARTED, facts("created"), "never started"),
        (STARTED, facts("exited"), "exited with 0"),
        (HEALTHY, facts("running"), "has no health check, and 'service_healthy' asks for one"),
        (HEALTHY, facts("running", health="healthy", health_check=CHECK), ""),
        (HEALTHY, facts("running", health="unhealthy", health_check=CHECK), "runs, and is unhealthy"),
        (HEALTHY, facts("exited", exit_code=3, health_check=CHECK), "exited with 3"),
        (COMPLETED, facts("exited"), ""),
        (COMPLETED, facts("exited", exit_code=3), "exited with 3, and should have exited with 0"),
        (COMPLETED, facts("running"), "runs, and should have exited with 0"),
    ],
)
def test_a_dependency_meets_its_condition_or_the_reason_is_given(
    condition: str, found: ContainerFacts | None, reason: str
) -> None:
    assert why_unmet(condition, found, may_end=False) == reason


def test_a_job_that_ended_well_has_been_started() -> None:
    assert why_unmet(STARTED, facts("exited"), may_end=True) == ""
    assert why_unmet(STARTED, facts("exited", exit_code=1), may_end=True) == "exited with 1"

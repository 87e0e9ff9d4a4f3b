"""Whether a container that was ready is still well."""

from __future__ import annotations

import pytest

from kharness.ops.session.readiness import why_not_well
from kharness.plan.facts import ExecResult, HealthFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.readiness import ByRunning, ReadyCheck, by_health
from kharness.testing import FakeEngine

HEALTH = HealthFacts(test=("CMD", "ok"))


@pytest.fixture
def box() -> FakeEngine:
    found = FakeEngine()
    image = found.put_image("web:1", health=HEALTH)
    found.start(found.create(RunSpec(name="web", image=image.id)))
    return found


@pytest.mark.parametrize(
    ("check", "code", "said"),
    [
        (ByRunning(), 3, "exited with 3"),
        (ByRunning(), 0, "exited with 0"),
        (ByRunning(may_exit=True), 0, ""),
        (ByRunning(may_exit=True), 3, "exited with 3"),
        (by_health(HEALTH), None, ""),
        (ByRunning(), None, ""),
    ],
)
def test_only_a_job_may_have_ended_and_only_with_0(
    box: FakeEngine, check: ReadyCheck, code: int | None, said: str
) -> None:
    if code is not None:
        box.crash("web", code)
    assert why_not_well(box, "web", check) == said


def test_its_health_check_must_pass_now(box: FakeEngine) -> None:
    box.script = lambda *_: ExecResult(1, "", "no database")
    assert "is unhealthy: its health command 'ok' exits with 1" in why_not_well(box, "web", by_health(HEALTH))
    assert why_not_well(box, "web", ByRunning()) == ""


def test_it_must_be_there(box: FakeEngine) -> None:
    box.remove("web", force=True)
    assert why_not_well(box, "web", ByRunning()) == "was removed"

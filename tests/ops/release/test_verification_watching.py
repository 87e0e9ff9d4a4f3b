"""A new production container is watched: it must go on running, and its health check is executed, not only read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from kharness.errors import LaunchError
from kharness.ops.release.verification import watch
from kharness.plan.facts import ContainerFacts, ExecResult, HealthFacts, ImageFacts
from kharness.plan.launch.plan import LaunchPlan
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.readiness import ByRunning, ReadyCheck, by_health
from kharness.testing.engine import FakeEngine

HEALTH = HealthFacts(test=("CMD", "ok"))
TEN = 10.0


@dataclass
class Watched:
    """A container of an engine in memory, and a clock that only a sleep moves; `at` seconds something happens."""

    engine: FakeEngine = field(default_factory=FakeEngine)
    now: float = 0.0
    at: float = 3.0
    happens: Callable[[FakeEngine], None] = lambda _: None

    def image(self, **labels: str) -> ImageFacts:
        return self.engine.put_image("web:1", health=HEALTH, labels=labels)

    def sleep(self, seconds: float) -> None:
        before, self.now = self.now, self.now + seconds
        if before < self.at <= self.now:
            self.happens(self.engine)

    def watch(self, check: ReadyCheck, *, seconds: float = TEN) -> tuple[str, ...]:
        spec = RunSpec(name="web", image=self.image().id)
        container = self.engine.create(spec)
        self.engine.start(container)
        before: ContainerFacts | None = self.engine.container(container)
        plan = LaunchPlan(spec=spec, volumes=(), ready=check)
        return watch(
            self.engine, plan, container, before=before, until=seconds, clock=lambda: self.now, sleep=self.sleep
        )


def answers(*codes: int) -> Callable[[FakeEngine], None]:
    left = [*codes]

    def begin(engine: FakeEngine) -> None:
        engine.script = lambda *_: ExecResult(left.pop(0) if len(left) > 1 else left[0], "", "no database")

    return begin


def test_a_health_check_that_fails_three_seconds_after_it_passed_is_seen_while_the_engine_says_healthy() -> None:
    web = Watched(happens=answers(1))
    with pytest.raises(LaunchError, match=r"became unhealthy in production: .* exits with 1: no database"):
        web.watch(by_health(HEALTH))
    found = web.engine.container("web")
    assert found is not None
    assert found.health == "healthy"
    assert 3.0 <= web.now <= 5.0


def test_one_that_fails_less_often_than_its_retries_say_is_healthy() -> None:
    web = Watched(happens=answers(1, 1, 0))
    assert web.watch(by_health(HEALTH)) == ()
    assert web.now >= TEN


def test_one_that_begins_to_fail_at_the_very_end_is_still_seen() -> None:
    web = Watched(happens=answers(1), at=9.95)
    with pytest.raises(LaunchError, match="became unhealthy in production"):
        web.watch(by_health(HEALTH))


def test_it_is_executed_once_where_nothing_is_to_be_watched() -> None:
    web = Watched(at=0.0)
    web.engine.script = lambda *_: ExecResult(0, "", "")
    assert web.watch(by_health(HEALTH), seconds=0.0) == ()
    assert len(web.engine.called("exec")) == 1


@pytest.mark.parametrize(
    ("check", "code", "said"),
    [
        (ByRunning(), 0, "did not keep running in production: it exited with 0"),
        (ByRunning(may_exit=True), 3, "did not keep running in production: it exited with 3"),
        (by_health(HEALTH, may_exit=True), 3, "did not keep running in production: it exited with 3"),
        (ByRunning(may_exit=True), 0, ""),
        (by_health(HEALTH, may_exit=True), 0, ""),
    ],
)
def test_a_job_that_ends_with_0_is_as_good_as_ready_and_nothing_else_is(
    check: ReadyCheck, code: int, said: str
) -> None:
    web = Watched(happens=lambda engine: engine.crash("web", code))
    if not said:
        assert web.watch(check) == ()
        assert web.now < TEN
        return
    with pytest.raises(LaunchError, match=said):
        web.watch(check)

"""The one verification of what runs in production: it becomes ready, passes its in-production tests, and keeps running.

Every launch is verified by it. The tests run in a pytest process of their own, whose
reports are read one by one: its exit status is no evidence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kharness.engine.api import Engine
from kharness.ops.harness import Harness
from kharness.ops.launch.secrets import give_secrets
from kharness.ops.release.target import Reasons
from kharness.ops.release.work import Launching
from kharness.ops.session.pytests import ChildResult, ChildSessions, place_of
from kharness.ops.session.readiness import failure, why_ill
from kharness.plan.facts import ContainerFacts
from kharness.plan.gate.refusals import TestOutcome
from kharness.plan.launch.life import is_done, state_text
from kharness.plan.launch.plan import LaunchPlan
from kharness.plan.release.steps import Step
from kharness.plan.release.verification import doubts, recorded
from kharness.plan.session.modes import IN_PROD
from kharness.plan.session.readiness import ByHealth
from kharness.settings.catalog import ContainerDir

POLL = 0.1
"""Seconds between two looks at its state."""
PROBE = 1.0
"""Seconds between two health checks."""


def watch(
    engine: Engine,
    plan: LaunchPlan,
    container: str,
    *,
    before: ContainerFacts | None,
    until: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, ...]:
    """Watch a container `until` then, by the clock, and check its health at least once.

    `before` is what it was when it became ready. Returns the reasons that speak against it; raises `LaunchError` where
    there is something to say about its end. A job that has ended as it should needs no watching.
    """
    checked: float | None = None
    while True:
        facts = engine.container(container)
        if facts is None or before is None:
            return (f"{plan.spec.name}: the new production container vanished",)
        if plan.ready.may_exit and is_done(facts):
            return ()
        if not facts.running or facts.restart_count > before.restart_count:
            how = "was restarted" if facts.running else state_text(facts)
            raise failure(engine, facts, plan.spec, f"did not keep running in production: it {how}")
        if facts.health == "unhealthy":
            raise failure(engine, facts, plan.spec, "became unhealthy in production")
        now = clock()
        if isinstance(plan.ready, ByHealth) and (checked is None or now >= until or now - checked >= PROBE):
            if (why := why_ill(engine, container, plan.ready, sleep=sleep)) and _still_runs(engine, container):
                raise failure(engine, facts, plan.spec, f"became unhealthy in production: {why}")
            checked = clock()
            if why:
                continue
        if now >= until:
            return ()
        sleep(POLL)


def _still_runs(engine: Engine, container: str) -> bool:
    # A container that has ended is reported by its end, not by a health check that found no process.
    facts = engine.container(container)
    return facts is not None and facts.running


TESTS_ALONE = "--kharness-tests-alone"
"""Checks of settings were decided by the session that tested the image."""


def verify(work: Launching, _step: Step) -> Reasons:
    """Return the reasons that speak against what runs in production now; raises `LaunchError` with what it said.

    A new container is watched once its tests have passed, and until `watched` seconds after it became ready.
    """
    harness, name = work.harness, work.operation.name
    if work.running:
        harness.report(name, "production already runs this image with these settings; verifying it in place")
        # Without the copies that it was launched with it could not be started again.
        give_secrets(harness, work.subject, work.plan, work.running)
    elif work.tests is not None:
        harness.report(name, "verifying production in place")
    target = harness.production
    container = work.running or target.launched(work.operation).id
    target.wait_ready(container, work.plan)
    ready = time.monotonic()
    before = target.runtime.container(container)
    if work.tests is not None and (reasons := work.tests()):
        return reasons
    if work.running or work.watched is None:
        return ()
    return target.watch(container, work.plan, before=before, until=ready + work.watched)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestsInProduction:
    """What in-production tests showed: reasons against what runs, outcomes by node id, the end of the output."""

    __test__ = False

    reasons: Reasons
    outcomes: Mapping[str, TestOutcome]
    tail: str


def run_in_production(
    run: Callable[..., ChildResult],
    directory: ContainerDir,
    *,
    expected: int = 0,
    skips: Iterable[str] = (),
    replay: Callable[[Iterable[dict[str, Any]]], None] = lambda _: None,
) -> TestsInProduction:
    """Run a directory's in-production tests by `run`, in a process of their own, whose records `replay` gets.

    `expected` are the tests that the caller knows of.
    """
    done = run(directory.path, IN_PROD, TESTS_ALONE)
    replay(done.records)
    found = recorded(done.records)
    reasons = doubts(found, status=done.status, tail=done.tail, expected=expected, skips=skips)
    return TestsInProduction(reasons=reasons, outcomes=found.outcomes, tail=done.tail)


def verify_in_place(harness: Harness, directory: ContainerDir) -> Reasons:
    """Test what runs in production now; returns the reasons that speak against it, by the rule of a launch.

    A directory without such tests gives none: that it became ready, and keeps running, is all that is known.
    """
    place = place_of(directory, project=harness.folder)
    children = ChildSessions(
        root=Path(place.root),
        ini=Path(place.ini) if place.ini else None,
        cwd=harness.folder or directory.source_path.parent,
    )
    found = run_in_production(partial(children.run, "-q"), directory, skips=harness.settings(directory).gate.skips)
    # No session reports the single tests here: the end of the output shows why they failed.
    return found.reasons if not found.reasons or found.tail in found.reasons[0] else (*found.reasons, found.tail)

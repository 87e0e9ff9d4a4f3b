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

from kharness.ops.harness import Harness
from kharness.ops.launch.secrets import give_secrets
from kharness.ops.release.target import Reasons
from kharness.ops.release.work import Launching
from kharness.ops.session.pytests import ChildResult, ChildSessions, place_of
from kharness.plan.gate.refusals import TestOutcome
from kharness.plan.release.steps import Step
from kharness.plan.release.verification import doubts, recorded
from kharness.plan.session.modes import IN_PROD
from kharness.settings.catalog import ContainerDir

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

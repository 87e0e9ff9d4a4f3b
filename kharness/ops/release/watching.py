"""A new production container is watched for a while: it must go on running, and go on passing its health check."""

from __future__ import annotations

import time
from collections.abc import Callable

from kharness.engine.api import Engine
from kharness.ops.session.readiness import failure, why_ill
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.life import is_done, state_text
from kharness.plan.launch.plan import LaunchPlan
from kharness.plan.session.readiness import ByHealth

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

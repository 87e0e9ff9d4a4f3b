"""Launch all that starts with this host, wave by wave."""

from __future__ import annotations

from functools import partial
from typing import Any

from kharness.ops.fleet import Group, worked
from kharness.ops.groups.fleet import Fleet
from kharness.ops.harness import Harness
from kharness.ops.up import up, up_and_ready
from kharness.plan.facts import short_id
from kharness.plan.fleet import Hold, plan_course

TIMEOUT = 300.0


def up_all(fleet: Fleet, *, keep_going: bool = False, timeout: float | None = None) -> Group:
    """Return the group; a wave begins when all of the one before is up and healthy, or with `keep_going` has ended."""
    return Group(
        command="up-all",
        course=plan_course(fleet.starting(), fleet.dependencies(), broken=fleet.broken),
        hold=Hold.NEEDS if keep_going else Hold.WAVES,
        timeout=timeout or TIMEOUT,
        work=lambda name, _: fleet.forked(name, partial(bring_up, name=name)),
        would=partial(_would, fleet.harness),
    )


def bring_up(harness: Harness, name: str) -> dict[str, Any]:
    """Launch one of them unless it runs, and wait until it is ready. Raises what `up_and_ready` does."""
    found = up_and_ready(harness, harness.catalog.select(name, prefix=False))
    notes = []
    if found.live not in {None, found.image}:
        notes.append(f"{short_id(found.live)} is live; 'kharness run {name}' launches that")
    return worked(found.state, notes=notes, image=found.image)


def _would(harness: Harness, name: str) -> str:
    found = up(harness, harness.catalog.select(name, prefix=False), dry_run=True)
    return "runs already" if found.state == "running" else f"would run {short_id(found.image)}"

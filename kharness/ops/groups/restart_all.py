"""Restart all that starts with this host, wave by wave."""

from __future__ import annotations

from functools import partial
from typing import Any

from kharness.ops.fleet import Group, worked
from kharness.ops.groups.fleet import Fleet
from kharness.ops.harness import Harness
from kharness.ops.restart import restart
from kharness.plan.fleet import Hold, plan_course

TIMEOUT = 300.0


def restart_all(fleet: Fleet, *, keep_going: bool = False, timeout: float | None = None) -> Group:
    """Return the group; a wave begins when all of the one before is ready again, or with `keep_going` has ended."""
    return Group(
        command="restart-all",
        course=plan_course(fleet.starting(), fleet.dependencies(), broken=fleet.broken),
        hold=Hold.NEEDS if keep_going else Hold.WAVES,
        timeout=timeout or TIMEOUT,
        work=lambda name, _: fleet.forked(name, partial(start_again, name=name)),
        would=partial(_would, fleet.harness),
    )


def start_again(harness: Harness, name: str) -> dict[str, Any]:
    """Restart one of them. Raises what `restart` does."""
    found = restart(harness, harness.catalog.select(name, prefix=False))
    return worked("restarted", notes=found.notes)


def _would(harness: Harness, name: str) -> str:
    found = restart(harness, harness.catalog.select(name, prefix=False), dry_run=True)
    return "; ".join(("would be restarted", *found.notes))

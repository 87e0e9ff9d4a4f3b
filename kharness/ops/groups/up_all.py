"""Launch all that starts with this host, wave by wave."""

from __future__ import annotations

from typing import Any

from kharness.ops.fleet import Group, worked
from kharness.ops.groups.fleet import Fleet, in_waves
from kharness.ops.harness import Harness
from kharness.ops.up import up, up_and_ready
from kharness.plan.facts import short_id


def up_all(fleet: Fleet, *, keep_going: bool = False, timeout: float | None = None) -> Group:
    """Return the group; a wave begins when all of the one before is up and healthy, or with `keep_going` has ended."""
    return in_waves(fleet, "up-all", bring_up, _would, keep_going=keep_going, timeout=timeout)


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

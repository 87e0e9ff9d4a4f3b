"""Restart all that starts with this host, wave by wave."""

from __future__ import annotations

from typing import Any

from kharness.ops.fleet import Group, worked
from kharness.ops.groups.fleet import Fleet, in_waves
from kharness.ops.harness import Harness
from kharness.ops.restart import restart


def restart_all(fleet: Fleet, *, keep_going: bool = False, timeout: float | None = None) -> Group:
    """Return the group; a wave begins when all of the one before is ready again, or with `keep_going` has ended."""
    return in_waves(fleet, "restart-all", start_again, _would, keep_going=keep_going, timeout=timeout)


def start_again(harness: Harness, name: str) -> dict[str, Any]:
    """Restart one of them. Raises what `restart` does."""
    found = restart(harness, harness.catalog.select(name, prefix=False))
    return worked("restarted", notes=found.notes)


def _would(harness: Harness, name: str) -> str:
    found = restart(harness, harness.catalog.select(name, prefix=False), dry_run=True)
    return "; ".join(("would be restarted", *found.notes))

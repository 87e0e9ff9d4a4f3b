"""Stop all that starts with this host, the last wave first."""

from __future__ import annotations

from functools import partial
from typing import Any

from kharness.ops.down import down
from kharness.ops.fleet import Group, worked
from kharness.ops.groups.fleet import TIMEOUT, Fleet, running
from kharness.ops.harness import Harness
from kharness.ops.present import present
from kharness.plan.fleet import Hold, plan_course

NO_CONTAINER = "has no container"


def down_all(fleet: Fleet, *, everything: bool = False, timeout: float | None = None) -> Group:
    """Return the group: what `up_all` starts, with `everything` all else of production that runs, see `running`.

    Raises `EngineError`.
    """
    waves = fleet.starting()
    more, unknown = running(fleet.harness) if everything else ((), {})
    waves |= {name: None for name in more if name not in waves}
    return Group(
        command="down-all",
        course=plan_course(waves, fleet.dependencies(), backwards=True),
        hold=Hold.NOTHING,
        timeout=timeout or TIMEOUT,
        work=lambda name, _: fleet.forked(name, partial(take_down, name=name)),
        would=partial(_would, fleet.harness),
        left_out=unknown,
    )


def take_down(harness: Harness, name: str) -> dict[str, Any]:
    """Stop one of them. Raises what `down` does."""
    if present(harness, name) is None:
        return worked(NO_CONTAINER)
    found = down(harness, name)
    return worked(f"stopped: {found.state}" if found.was_up else f"did not run: {found.state}", notes=found.notes)


def _would(harness: Harness, name: str) -> str:
    if present(harness, name) is None:
        return NO_CONTAINER
    found = down(harness, name, dry_run=True)
    return "would be stopped" if found.was_up else f"does not run: {found.state}"

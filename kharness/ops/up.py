"""Launch a container that does not run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kharness.ops.harness import Harness
from kharness.ops.present import must_run, present
from kharness.ops.readiness import SETTLED, wait_ready
from kharness.ops.relaunch import check_launch, launch_missing
from kharness.ops.restart import plan_of
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.life import seconds_up
from kharness.plan.readiness import ByRunning
from kharness.settings.catalog import ContainerDir


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """How a container came up: `running` already, or `started` now or to be.

    `image` is the id of the one that it runs from, `live` that of what is live.
    """

    name: str
    state: str
    image: str = ""
    live: str | None = None


def up(harness: Harness, directory: ContainerDir, *, dry_run: bool = False) -> Up:
    """Launch a container from its `:live` image unless it runs; with `dry_run` only look whether that can be done.

    Raises what `relaunch` does.
    """
    name = directory.name
    found = present(harness, name)
    anew = False
    if found is not None and found.running:
        image = found.image_id
    elif dry_run:
        image, anew = check_launch(harness, directory), True
    else:
        launched, anew = launch_missing(harness, directory)
        image = launched.image_id
        if anew and found is not None and (laid := found.labels.get(labels.LAID)):
            harness.report(name, f"it ran with {laid}, which no file says, and now runs without")
    if anew:
        return Up(name=name, state="started", image=image, live=image)
    live = harness.engine.image(harness.tags(name).live)
    return Up(name=name, state="running", image=image, live=live.id if live else None)


def up_and_ready(harness: Harness, directory: ContainerDir, *, clock: Callable[[], float] = time.time) -> Up:
    """Launch a container unless it runs; wait in either case until it is ready.

    Raises what `up` does, and `LaunchError` where one that runs already does not become ready; that is left as it is.
    """
    found = up(harness, directory)
    if found.state == "running":
        _await(harness, directory, must_run(harness, directory.name), now=clock())
    return found


def _await(harness: Harness, directory: ContainerDir, found: ContainerFacts, *, now: float) -> None:
    if found.health == "healthy":
        return
    plan = plan_of(harness, directory, found)
    if isinstance(plan.ready, ByRunning) and (seconds_up(found, now=now) or 0.0) >= SETTLED:
        return
    if not isinstance(plan.ready, ByRunning):
        harness.report(directory.name, "runs already; waiting until it is ready")
    wait_ready(harness.engine, found.id, plan.ready, spec=plan.spec, timeout=harness.host.ready_timeout)

"""Launch a container that does not run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from kharness.errors import EngineError, RefusedError, SettingsError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.launch.deviations import changes_of, plan_of
from kharness.ops.launch.subject import may_start, why_stays_down
from kharness.ops.project.production import must_run, present
from kharness.ops.release.ledger import note_of_live
from kharness.ops.release.relaunch import check_launch, launch_missing, relaunch
from kharness.ops.session.needs import needs_text, unmet_needs, why_unmet_now
from kharness.ops.session.readiness import SETTLED, wait_production
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.launch.deviations import change_notes
from kharness.plan.launch.life import seconds_up, why_stuck
from kharness.plan.session.readiness import COMPLETED, ByRunning
from kharness.settings.catalog import ContainerDir
from kharness.settings.layers import SettingsLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """How a container came up: `running` already, or `started` now or to be.

    `image` is the id of the one that it runs from, `live` that of what is live. `notes` say what else differs from what
    would be launched now.
    """

    name: str
    state: str
    image: str = ""
    live: str | None = None
    notes: tuple[str, ...] = ()


def up(
    harness: Harness,
    directory: ContainerDir,
    *,
    dry_run: bool = False,
    untested: bool = False,
    needed_by: tuple[str, ...] = (),
) -> Up:
    """Launch a container from its `:live` image unless it runs; with `dry_run` only look whether that can be done.

    What it depends on is launched first. Raises what `relaunch` does, and `EngineError` where it is paused, or half
    removed, and only a person can say what comes next.
    """
    name = directory.name
    found = present(harness, name)
    if found is not None and (stuck := why_stuck(found)):
        raise EngineError(f"{name}: {stuck}")
    needs = launch_needs(harness, directory, dry_run=dry_run, needed_by=needed_by)
    if not dry_run:
        may_start(harness, name)
    launched = False
    there = found
    if there is not None and there.running:
        image = there.image_id
    elif dry_run:
        image, launched = check_launch(harness, directory, untested=untested), True
    else:
        there, launched = launch_missing(harness, directory, untested=untested)
        image = there.image_id
        if launched and found is not None and (laid := found.labels.get(labels.LAID)):
            harness.report(name, f"it ran with {laid}, which no file says, and now runs without")
    if launched:
        return Up(name=name, state="started", image=image, live=image, notes=needs)
    live = harness.engine.image(harness.tags(name).live)
    notes = (*needs, *_notes(harness, directory, there, live))
    return Up(name=name, state="running", image=image, live=live.id if live else None, notes=notes)


def up_and_ready(
    harness: Harness,
    directory: ContainerDir,
    *,
    needed_by: tuple[str, ...] = (),
    clock: Callable[[], float] = time.time,
) -> Up:
    """Launch a container unless it runs; wait in either case until it is ready.

    Raises what `up` does, and `LaunchError` where one that runs already does not become ready; that is left as it is.
    """
    found = up(harness, directory, needed_by=needed_by)
    if found.state == "running":
        _await(harness, directory, must_run(harness, directory.name), now=clock())
    return found


def run(
    harness: Harness, directory: ContainerDir, *, above: tuple[SettingsLayer, ...] = (), untested: bool = False
) -> ContainerFacts:
    """Replace what runs, after what it depends on was launched. Raises what `relaunch` does."""
    launch_needs(harness, directory)
    return relaunch(harness, directory, above=above, untested=untested)


def launch_needs(
    harness: Harness, directory: ContainerDir, *, dry_run: bool = False, needed_by: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Launch what a container depends on and what is not as it must be; a dry run returns what that would be.

    Raises `RefusedError` where one stays down because a person wants it so, or does not meet its condition after it was
    launched; `UsageError` where they need each other in a circle; what `up_and_ready` does.
    """
    try:
        settings = harness.settings(directory)
    except SettingsError:
        # What is launched from them is refused by its own launch; what runs goes on.
        return ()
    name = directory.name
    unmet = unmet_needs(harness, settings)
    if dry_run:
        return tuple(f"{text}: it would be launched first" for text in needs_text(unmet))
    for need, reason in unmet.items():
        if need in (*needed_by, name):
            circle = " -> ".join((*needed_by, name, need))
            raise UsageError(f"{name}: depends_on: these need each other in a circle: {circle}")
        _launch_need(harness, directory, need, reason, settings.depends_on[need], needed_by=needed_by)
    return ()


def _launch_need(
    harness: Harness, directory: ContainerDir, need: str, reason: str, condition: str, *, needed_by: tuple[str, ...]
) -> None:
    name, other = directory.name, harness.catalog.get(need)
    if other is None or why_stays_down(harness, need):
        raise RefusedError(f"{name}: needs {need}, which {reason}")
    harness.report(name, f"needs {need}, which {reason}: launching it first")
    up_and_ready(harness, other, needed_by=(*needed_by, name))
    if condition == COMPLETED and (found := present(harness, need)) is not None and found.running:
        # What it is still at counts in its reason.
        with suppress(TimeoutError):
            harness.production.runtime.wait(found.id, timeout=harness.host.ready_timeout)
    if still := why_unmet_now(harness, need, condition):
        raise RefusedError(f"{name}: needs {need}, which {still}")


def _notes(
    harness: Harness, directory: ContainerDir, found: ContainerFacts | None, live: ImageFacts | None
) -> Iterator[str]:
    if found is not None:
        if said := note_of_live(harness, directory.name, live, runs=found.image_id):
            yield said
        yield from change_notes(changes_of(harness, directory, found), name=directory.name)


def _await(harness: Harness, directory: ContainerDir, found: ContainerFacts, *, now: float) -> None:
    if found.health == "healthy":
        return
    plan = plan_of(harness, directory, found)
    if isinstance(plan.ready, ByRunning) and (seconds_up(found, now=now) or 0.0) >= SETTLED:
        return
    if not isinstance(plan.ready, ByRunning):
        harness.report(directory.name, "runs already; waiting until it is ready")
    wait_production(harness, found.id, plan)

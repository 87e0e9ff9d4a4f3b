"""Launch production from `:live` by hand: no promotion, no tests, but never worse than before."""

from __future__ import annotations

from dataclasses import replace

from kharness.errors import LaunchError, RefusedError, UsageError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.launch.subject import production_subject
from kharness.ops.project.production import how_to_launch, present
from kharness.ops.project.unfinished import hint_for_new
from kharness.ops.release.data import refusals_of_data
from kharness.ops.release.ledger import notify, refuse_moved
from kharness.ops.release.recover import settle
from kharness.ops.release.release import LOCK_TIMEOUT, begun, operation_of, walk, watched
from kharness.ops.release.transaction import steps_of
from kharness.ops.release.work import Launching
from kharness.ops.volumes.prepare import prepare_launch
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.launch.origins import laid_over, refusals
from kharness.plan.launch.plan import LaunchPlan, Subject, keyed, plan_production_launch, with_laid
from kharness.plan.release.operation import Ending, Kind, Provenance, Released
from kharness.settings.catalog import ContainerDir
from kharness.settings.layers import SettingsLayer
from kharness.settings.model import Settings


def relaunch(
    harness: Harness, directory: ContainerDir, *, above: tuple[SettingsLayer, ...] = (), untested: bool = False
) -> ContainerFacts:
    """Replace what runs; it comes back when the new one does not become ready.

    What is `above` the settings holds for this container alone, and is recorded; so is that an image was made live by
    hand, which is refused unless it may be `untested`. Raises `LaunchError`, `RefusedError`,
    `SettingsError`, `UsageError`.
    """
    with lock(harness.locks, f"release-{directory.name}", timeout=LOCK_TIMEOUT):
        # What is live is asked only now: until here another release may have been undone.
        settle(harness, directory.name)
        return _replaced(harness, directory, above, untested=untested)


def launch_missing(harness: Harness, directory: ContainerDir, *, untested: bool = False) -> tuple[ContainerFacts, bool]:
    """Launch what does not run; returns it, and whether it was launched now. Raises as `relaunch` does.

    Another process may launch it at this moment: that is waited for, and what it has launched stays.
    """
    name = directory.name

    def busy(holder: str) -> None:
        harness.report(name, f"waiting for what is done with it by {holder}")

    with lock(harness.locks, f"release-{name}", timeout=harness.host.ready_timeout, busy=busy):
        settle(harness, name)
        found = present(harness, name)
        if found is not None and found.running:
            return found, False
        return _replaced(harness, directory, (), untested=untested), True


def _replaced(
    harness: Harness, directory: ContainerDir, above: tuple[SettingsLayer, ...], *, untested: bool
) -> ContainerFacts:
    name = directory.name
    subject, plan = _planned(harness, directory, above=above)
    moved = refuse_moved(harness, directory, subject.image, untested=untested)
    evidence = Provenance(session="", tests=0, untested=bool(moved))
    operation = replace(operation_of(harness, Kind.RELAUNCH, name, subject.image.id, evidence), note=moved)
    if said := plan.spec.labels.get(labels.LAID):
        operation = replace(operation, note="; ".join(filter(None, (moved, f"with {said}"))))
        harness.report(name, f"LAUNCHED WITH WHAT NO FILE SAYS, which is recorded: {said}")
    prepare_launch(harness, subject)
    operation, notes = begun(harness, operation, subject, plan)
    for note in notes:
        harness.report(name, note)
    # The watch guards the way back: where nothing ran there is none, and a host that starts need not wait for it.
    replaces = operation.former is not None and operation.former.was_up
    work = Launching(
        harness=harness,
        operation=operation,
        steps=steps_of(harness, operation),
        subject=subject,
        plan=plan,
        watched=watched(subject) if replaces else None,
    )
    done = walk(work, Released(name=name, kind=Ending.LAUNCHED, image=subject.image.id, previous=operation.live))
    if not done.ok:
        # The caller hears of success; of a failure at night, or at boot, only the notified person does.
        notify(harness, done)
        raise LaunchError("\n".join(done.reasons))
    for note in done.notes:
        harness.report(name, note)
    found = harness.production.claim(name, plan)
    if found is None:
        raise LaunchError(f"{plan.spec.name}: the new container vanished")
    return found


def check_launch(harness: Harness, directory: ContainerDir, *, untested: bool = False) -> str:
    """Return the id of the image that `relaunch` would launch now; raises where it would refuse from the start."""
    subject, plan = _planned(harness, directory)
    refuse_moved(harness, directory, subject.image, untested=untested)
    harness.production.claim(directory.name, plan)
    return subject.image.id


def live_image(harness: Harness, directory: ContainerDir) -> ImageFacts:
    """Return the image that is live; `UsageError`, with what to do, where none is."""
    found = harness.engine.image(harness.tags(directory.name).live)
    if found is None:
        advice = (how_to_launch(harness, directory.name), hint_for_new(harness, directory.name))
        raise UsageError("; ".join((f"{directory.name}: nothing is live yet", *filter(None, advice))))
    return found


def plan_by_hand(
    harness: Harness, directory: ContainerDir, settings: Settings, image: ImageFacts, *, said: str
) -> tuple[Subject, LaunchPlan]:
    """Plan production from an image; `said` are the settings that no file has. Raises `SettingsError`."""
    subject = production_subject(harness, directory, settings, image)
    return subject, with_laid(plan_production_launch(subject, volume_root=harness.volume_root), said)


def _planned(
    harness: Harness, directory: ContainerDir, *, above: tuple[SettingsLayer, ...] = ()
) -> tuple[Subject, LaunchPlan]:
    if reasons := refusals(above, development=False):
        raise UsageError("\n".join(reasons))
    settings = harness.settings(directory, above=above)
    said = ", ".join(laid_over(above))
    subject, plan = plan_by_hand(harness, directory, settings, live_image(harness, directory), said=said)
    plan = keyed(plan)
    if refused := refusals_of_data(harness, subject, plan):
        raise RefusedError("\n".join(f"{directory.name}: {reason}" for reason in refused))
    return subject, plan

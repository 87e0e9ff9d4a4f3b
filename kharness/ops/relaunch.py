"""Launch production from `:live` by hand: no promotion, no tests, but never worse than before."""

from __future__ import annotations

from dataclasses import replace

from kharness.errors import LaunchError, RefusedError, UsageError
from kharness.host.locks import lock
from kharness.ops.data import plan_data, refusals_of_data
from kharness.ops.harness import Harness
from kharness.ops.journal import carry_out, keep, undo
from kharness.ops.prepare import prepare_launch
from kharness.ops.present import present
from kharness.ops.readiness import wait_ready
from kharness.ops.recover import settle
from kharness.ops.release import LOCK_TIMEOUT, keyed, operation_of, remember_line, start, swap
from kharness.ops.secrets import sweep_secrets
from kharness.ops.subject import production_subject
from kharness.ops.targets.engine import EngineTarget
from kharness.plan import labels
from kharness.plan.byhand import laid_over, refusals
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.launch import LaunchPlan, Subject, plan_production_launch
from kharness.plan.operation import Evidence, Kind
from kharness.plan.secrets import redact
from kharness.settings.catalog import ContainerDir
from kharness.settings.laid import Source
from kharness.settings.model import Settings


def relaunch(harness: Harness, directory: ContainerDir, *, above: tuple[Source, ...] = ()) -> ContainerFacts:
    """Replace what runs; it comes back when the new one does not become ready.

    What is `above` the settings holds for this container alone, and is recorded. Raises `LaunchError`, `RefusedError`,
    `SettingsError`, `UsageError`.
    """
    with lock(harness.locks, f"release-{directory.name}", timeout=LOCK_TIMEOUT):
        # What is live is asked only now: until here another release may have been undone.
        settle(harness, directory.name)
        return _replaced(harness, directory, above)


def launch_missing(harness: Harness, directory: ContainerDir) -> tuple[ContainerFacts, bool]:
    """Launch what does not run; returns it, and whether it was launched now. Raises as `relaunch` does.

    Somebody else may do the same at this moment: that is waited for, and what it has launched is left alone.
    """
    name = directory.name

    def busy(holder: str) -> None:
        harness.report(name, f"waiting for what is done with it by {holder}")

    with lock(harness.locks, f"release-{name}", timeout=harness.host.ready_timeout, busy=busy):
        settle(harness, name)
        found = present(harness, name)
        if found is not None and found.running:
            return found, False
        return _replaced(harness, directory, ()), True


def _replaced(harness: Harness, directory: ContainerDir, above: tuple[Source, ...]) -> ContainerFacts:
    name = directory.name
    target = EngineTarget(harness)
    subject, plan = _planned(harness, directory, above=above)
    operation = operation_of(harness, Kind.RELAUNCH, name, subject.image.id, Evidence(session="", tests=0))
    if said := plan.spec.labels.get(labels.LAID):
        operation = replace(operation, note=f"with {said}")
        harness.report(name, f"LAUNCHED WITH WHAT NO FILE SAYS, which is recorded: {said}")
    prepare_launch(harness, subject)
    swapped = swap(harness, target, plan, of=name)
    operation = replace(operation, **swapped, data=plan_data(harness, subject))

    def work() -> tuple[str, ...]:
        new = start(harness, target, operation, subject, plan)
        wait_ready(harness.engine, new, plan.ready, spec=plan.spec, timeout=harness.host.ready_timeout)
        return ()

    if reasons := tuple(redact(reason, subject.hidden) for reason in carry_out(harness, operation, work)):
        left = undo(harness, operation, note="\n".join(reasons))
        sweep_secrets(harness, name)
        raise LaunchError("\n".join((*reasons, *left)))
    remember_line(harness, subject, plan)
    for note in keep(harness, operation):
        harness.report(name, note)
    sweep_secrets(harness, name)
    found = target.current(plan.spec.name, of=name)
    if found is None:
        raise LaunchError(f"{plan.spec.name}: the new container vanished")
    return found


def check_launch(harness: Harness, directory: ContainerDir) -> str:
    """Return the id of the image that `relaunch` would launch now; raises where it would refuse from the start."""
    subject, plan = _planned(harness, directory)
    EngineTarget(harness).current(plan.spec.name, of=directory.name)
    return subject.image.id


def live_image(harness: Harness, directory: ContainerDir) -> ImageFacts:
    """Return the image that is live; `UsageError` says what to do where none is."""
    found = harness.engine.image(harness.tags(directory.name).live)
    if found is None:
        advice = f"'kharness upgrade {directory.name}' builds, tests and launches it"
        raise UsageError(f"{directory.name}: nothing is live yet; {advice}")
    return found


def plan_by_hand(
    harness: Harness, directory: ContainerDir, settings: Settings, image: ImageFacts, *, said: str
) -> tuple[Subject, LaunchPlan]:
    """Plan production from an image; `said` is what no file says of the settings. Raises `SettingsError`."""
    subject = production_subject(harness, directory, settings, image)
    plan = plan_production_launch(subject, volume_root=harness.volume_root)
    if said:
        plan = replace(plan, spec=replace(plan.spec, labels={**plan.spec.labels, labels.LAID: said}))
    return subject, plan


def _planned(
    harness: Harness, directory: ContainerDir, *, above: tuple[Source, ...] = ()
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

"""Restart production: the same container, which keeps its image and its settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from kharness.errors import StateError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.present import must_be_there
from kharness.ops.readiness import wait_ready
from kharness.ops.recover import settle
from kharness.ops.release import LOCK_TIMEOUT, keyed
from kharness.ops.subject import production_subject
from kharness.ops.volumeroot import check_volume_root
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.launch import LaunchPlan, plan_production_launch
from kharness.plan.mounters import meets
from kharness.settings.catalog import ContainerDir


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """A container that was restarted, or would be: `seconds` until it was ready, `notes` say what it does not have."""

    name: str
    container: str
    seconds: float | None
    notes: tuple[str, ...] = ()


def restart(harness: Harness, directory: ContainerDir, *, dry_run: bool = False) -> Restarted:
    """Stop a production container within its grace period, start it and wait until it is ready; a stopped one, too.

    Nothing is launched anew, so that neither tests nor a snapshot of data are due. Raises `ContainerMissingError`,
    `SettingsError`, and `LockedError` while a release is under way, before anything is done; `LaunchError` when it does
    not become ready, and is left as it is.
    """
    name = directory.name
    if dry_run:
        found = must_be_there(harness, name)
        return _restarted(harness, found, plan_of(harness, directory, found), seconds=None)
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle(harness, name)
        found = must_be_there(harness, name)
        plan = plan_of(harness, directory, found)
        if any(meets(mount.source, str(harness.volume_root)) for mount in found.mounts):
            # A state that cannot be read is no reason to leave production as it hangs.
            with suppress(StateError):
                check_volume_root(harness)
        harness.report(name, f"restarting {found.name}")
        harness.engine.restart(found.id)
        timeout = harness.host.ready_timeout
        seconds = wait_ready(harness.engine, found.id, plan.ready, spec=plan.spec, timeout=timeout)
    return _restarted(harness, found, plan, seconds=seconds)


def plan_of(harness: Harness, directory: ContainerDir, found: ContainerFacts) -> LaunchPlan:
    """Return what a production container would be launched as now, from the image that it has."""
    # Somebody may have removed the image by force.
    image = harness.engine.image(found.image_id) or ImageFacts(id=found.image_id)
    subject = production_subject(harness, directory, harness.settings(directory), image)
    return keyed(plan_production_launch(subject, volume_root=harness.volume_root))


def _restarted(harness: Harness, found: ContainerFacts, plan: LaunchPlan, *, seconds: float | None) -> Restarted:
    name = found.labels[labels.NAME]
    notes = tuple(_notes(harness, name, found, plan))
    return Restarted(name=name, container=found.name, seconds=seconds, notes=notes)


def _notes(harness: Harness, name: str, found: ContainerFacts, plan: LaunchPlan) -> Iterator[str]:
    live = harness.engine.image(harness.tags(name).live)
    launched = found.labels.get(labels.INPUTS)
    other = live is not None and live.id != found.image_id
    if other:
        yield f"another image is live than the one it runs; 'kharness run {name}' launches that"
    if said := found.labels.get(labels.LAID):
        yield f"it was launched with {said}, which no file says; 'kharness run {name}' launches without"
    elif not other and launched and launched != plan.spec.labels[labels.INPUTS]:
        yield f"its settings have changed since it was launched; 'kharness run {name}' launches with them"

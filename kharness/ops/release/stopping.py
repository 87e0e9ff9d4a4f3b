"""Send a signal to production.

Stop production in order; what `docker stop` stopped stays stopped.

Restart production: the same container, which keeps its image and its settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from kharness.errors import ContainerMissingError, StateError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.launch.deviations import changes_of, plan_of
from kharness.ops.launch.subject import may_start, stay_down
from kharness.ops.launch.up import launch_needs
from kharness.ops.project.production import must_be_there, must_run
from kharness.ops.release.ledger import note_of_live
from kharness.ops.release.recover import settle, settle_releases
from kharness.ops.release.release import LOCK_TIMEOUT
from kharness.ops.volumes.root import check_volume_root
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.deviations import change_notes
from kharness.plan.launch.life import KILLED, state_text
from kharness.plan.volumes.usage import meets
from kharness.settings.catalog import ContainerDir


def kill(harness: Harness, name: str, signal: str, *, dry_run: bool = False) -> ContainerFacts:
    """Send a signal, such as HUP, to the first process of a directory's container; returns the container.

    Raises `LockedError` while a release is under way, `EngineError` where it does not run.
    """
    if dry_run:
        return must_run(harness, name)
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle(harness, name)
        found = must_run(harness, name)
        harness.production.runtime.kill(found.id, signal=signal)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """What became of a container: it was `up` and is not now, or was not; `state` is its state now."""

    name: str
    container: str
    was_up: bool
    state: str
    notes: tuple[str, ...] = ()


def down(harness: Harness, name: str, *, dry_run: bool = False, stays: bool = True) -> Down:
    """Stop the production container of a directory, by force after its own grace period; with `dry_run` only look.

    Where it `stays` down, that is remembered, and only a command about this container starts it again.

    Its settings are not read: what cannot be launched any more can still be stopped. Raises `LockedError` while a
    release is under way, `ContainerMissingError`, `EngineError`.
    """
    if dry_run:
        return _down(must_be_there(harness, name), name)
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle_releases(harness, name)
        before = must_be_there(harness, name)
        if stays:
            # Before it is stopped: a command that starts many containers must not get in between.
            stay_down(harness, name)
        if not before.up:
            return _down(before, name)
        harness.report(name, f"stopping {before.name}")
        harness.production.runtime.stop(before.id)
        after = harness.production.runtime.container(before.id)
    if after is None:
        raise ContainerMissingError(f"{name}: {before.name} was removed while it stopped")
    return _down(after, name, was_up=True)


def _down(found: ContainerFacts, name: str, *, was_up: bool = False) -> Down:
    notes = tuple(_notes(found, killed=was_up))
    return Down(name=name, container=found.name, was_up=was_up or found.up, state=state_text(found), notes=notes)


def _notes(found: ContainerFacts, *, killed: bool) -> Iterator[str]:
    if killed and found.exit_code == KILLED:
        yield "it did not stop within its stop_grace_period, and was killed"
    if found.restart_policy == "always":
        yield "'restart: always' starts it again with the engine; 'unless-stopped' would not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """A container that was restarted, or would be: `seconds` until it was ready, `notes` say what it does not have."""

    name: str
    container: str
    seconds: float | None
    notes: tuple[str, ...] = ()


def restart(harness: Harness, directory: ContainerDir, *, dry_run: bool = False) -> Restarted:
    """Stop a production container within its grace period, start it and wait until it is ready; a stopped one, too.

    What it depends on is launched first. It is itself the same container, so that neither tests nor a snapshot of data
    are due. Raises `ContainerMissingError`, what `launch_needs` does,
    `SettingsError`, and `LockedError` while a release is under way, before anything is done; `LaunchError` when it does
    not become ready, and is left as it is.
    """
    name = directory.name
    needs = launch_needs(harness, directory, dry_run=dry_run)
    if dry_run:
        found = must_be_there(harness, name)
        restarted = _restarted(harness, directory, found, seconds=None)
        return replace(restarted, notes=(*needs, *restarted.notes))
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle(harness, name)
        found = must_be_there(harness, name)
        plan = plan_of(harness, directory, found)
        if any(meets(mount.source, str(harness.volume_root)) for mount in found.mounts):
            # A state that cannot be read is no reason to leave production as it hangs.
            with suppress(StateError):
                check_volume_root(harness)
        may_start(harness, name)
        harness.report(name, f"restarting {found.name}")
        harness.production.runtime.restart(found.id)
        seconds = harness.production.wait_ready(found.id, plan)
    return _restarted(harness, directory, found, seconds=seconds)


def _restarted(harness: Harness, directory: ContainerDir, found: ContainerFacts, *, seconds: float | None) -> Restarted:
    name = directory.name
    notes = (*_notes_of_restart(harness, name, found), *change_notes(changes_of(harness, directory, found), name=name))
    return Restarted(name=name, container=found.name, seconds=seconds, notes=notes)


def _notes_of_restart(harness: Harness, name: str, found: ContainerFacts) -> Iterator[str]:
    live = harness.engine.image(harness.tags(name).live)
    if other := note_of_live(harness, name, live, runs=found.image_id):
        yield other
    if said := found.labels.get(labels.LAID):
        yield f"it was launched with {said}, which no file says; 'kharness run {name}' launches without"

"""Stop production in order; what `docker stop` stopped stays stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kharness.errors import ContainerMissingError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.present import must_be_there
from kharness.ops.recover import settle
from kharness.ops.release import LOCK_TIMEOUT
from kharness.plan.facts import ContainerFacts
from kharness.plan.life import KILLED, state_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """What became of a container: it was `up` and is not now, or was not; `state` says how it stands."""

    name: str
    container: str
    was_up: bool
    state: str
    notes: tuple[str, ...] = ()


def down(harness: Harness, name: str, *, dry_run: bool = False) -> Down:
    """Stop the production container of a directory, by force after its own grace period; with `dry_run` only look.

    Its settings are not read: what cannot be launched any more can still be stopped. Raises `LockedError` while a
    release is under way, `ContainerMissingError`, `EngineError`.
    """
    if dry_run:
        return _down(must_be_there(harness, name), name)
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle(harness, name)
        before = must_be_there(harness, name)
        if not before.up:
            return _down(before, name)
        harness.report(name, f"stopping {before.name}")
        harness.engine.stop(before.id)
        after = harness.engine.container(before.id)
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

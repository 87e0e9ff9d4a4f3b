"""Send a signal to production."""

from __future__ import annotations

from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.present import must_run
from kharness.ops.recover import settle
from kharness.ops.release import LOCK_TIMEOUT
from kharness.plan.facts import ContainerFacts


def kill(harness: Harness, name: str, signal: str, *, dry_run: bool = False) -> ContainerFacts:
    """Send a signal, such as HUP, to the first process of a directory's container; returns the container.

    Raises `LockedError` while a release is under way, `EngineError` where it does not run.
    """
    if dry_run:
        return must_run(harness, name)
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle(harness, name)
        found = must_run(harness, name)
        harness.engine.kill(found.id, signal=signal)
    return found

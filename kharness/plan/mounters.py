"""Which containers have a directory of the host in hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from kharness.plan import labels
from kharness.plan.facts import ContainerFacts


def mounters(containers: Iterable[ContainerFacts], path: str, *, writable: bool = False) -> tuple[ContainerFacts, ...]:
    """Return those that mount the directory, one above or one below it; only `writable` mounts count, if that is said.

    Test instances are left out: what they may write is their own.
    """
    return tuple(
        found
        for found in containers
        if found.labels.get(labels.ROLE) != labels.ROLE_TEST
        and any(meets(mount.source, path) and (mount.writable or not writable) for mount in found.mounts)
    )


def meets(one: str, other: str) -> bool:
    """Whether one path is, contains or is contained in the other."""
    if not one or not other:
        return False
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)

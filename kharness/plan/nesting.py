"""Volumes that are mounted inside one another: each needs a place in the outer one to be mounted on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from kharness.plan.mounts import VolumePlan
from kharness.plan.runspec import MountKind


@dataclass(frozen=True, slots=True)
class Nested:
    """A volume whose target is inside that of another one; `point` is its place there."""

    inner: VolumePlan
    outer: VolumePlan
    point: PurePosixPath


def nested(plans: Sequence[VolumePlan]) -> Iterator[Nested]:
    """Yield the volumes inside others, each with the nearest one around it."""
    for inner in plans:
        target = PurePosixPath(inner.mount.target)
        around = [plan for plan in plans if plan is not inner and target.is_relative_to(plan.mount.target)]
        if around:
            outer = max(around, key=lambda plan: len(PurePosixPath(plan.mount.target).parts))
            yield Nested(inner, outer, target.relative_to(outer.mount.target))


def lacking(plans: Sequence[VolumePlan]) -> Iterator[Nested]:
    """Yield those for which the engine could not make the place, because the outer directory is read-only and real."""
    for found in nested(plans):
        outer = found.outer
        if outer.mount.kind is MountKind.BIND and outer.mount.read_only and not outer.scratch:
            yield found

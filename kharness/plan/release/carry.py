"""Anonymous volumes: a new production container takes over those of the container that it replaces, as Compose does.

A volume that has no name in the settings (a `VOLUME` of the image, or a volume without a source) is found by the path
where it is mounted. A release never removes one that may hold data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from posixpath import normpath

from kharness.plan.facts import ImageFacts, MountFacts
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec

VOLUME = MountKind.VOLUME.value
_MADE_UP = re.compile(r"[0-9a-f]{64}")
"""The name that an engine makes up for a volume without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """The volumes that go over to the new container, as (target, name), and what a person should know of the others."""

    volumes: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def is_anonymous(mount: MountFacts) -> bool:
    """Whether what is mounted is a volume whose name was made up by the engine."""
    return mount.kind == VOLUME and _MADE_UP.fullmatch(mount.name) is not None


def anonymous_volumes(mounts: Iterable[MountFacts]) -> dict[str, str]:
    """Return the names of the anonymous volumes among mounts, by their normalized targets."""
    return {normpath(mount.target): mount.name for mount in mounts if is_anonymous(mount)}


def plan_carry(
    spec: RunSpec, image: ImageFacts, *, before: Iterable[MountFacts], known: Mapping[str, str] | None = None
) -> Carry:
    """Choose the volume for each anonymous one of a new container.

    `before` are the mounts of the container that it replaces. `known` are volumes, by target, that earlier containers
    of the same service had there and that still exist; they count where the replaced container has none.
    """
    mounted = {normpath(mount.target): mount for mount in before}
    known = known or {}
    carried: dict[str, str] = {}
    notes: list[str] = []
    fresh: list[str] = []
    targets = tuple(_targets(spec, image))
    for target in targets:
        old = mounted.get(target)
        if old is not None and old.kind == VOLUME and old.name:
            carried[target] = old.name
        elif target in known:
            carried[target] = known[target]
            notes.append(f"{target} is the anonymous volume {known[target]} again, which an earlier release left")
        elif old is not None and old.kind == MountKind.BIND.value:
            notes.append(f"{target} was the directory {old.source} and is a new, empty volume now; the directory stays")
        else:
            fresh.append(target)
    if fresh:
        notes.append(f"no volume has a name for {', '.join(fresh)}: an anonymous one, which later releases carry over")
    notes += _left_behind(mounted, frozenset(carried.values()), spec)
    return Carry(volumes=tuple(carried.items()), notes=tuple(notes))


def carry_over(spec: RunSpec, volumes: Iterable[tuple[str, str]]) -> RunSpec:
    """Return the spec with these volumes, (target, name), mounted in place of its anonymous ones."""
    left = dict(volumes)
    if not left:
        return spec
    mounts = []
    for mount in spec.mounts:
        name = left.pop(normpath(mount.target), None)
        # Its content is what the application made of it: the image's is not to be put into one that is empty.
        mounts.append(mount if name is None else replace(mount, source=name, no_copy=True))
    more = (Mount(kind=MountKind.VOLUME, source=name, target=target, no_copy=True) for target, name in left.items())
    return replace(spec, mounts=(*mounts, *more))


def _targets(spec: RunSpec, image: ImageFacts) -> Iterator[str]:
    taken = {normpath(mount.target) for mount in spec.mounts}
    for mount in spec.mounts:
        if mount.kind is MountKind.VOLUME and mount.source is None:
            yield normpath(mount.target)
    yield from (target for path in image.volumes if (target := normpath(path)) not in taken)


def _left_behind(mounted: Mapping[str, MountFacts], carried: frozenset[str], spec: RunSpec) -> Iterator[str]:
    now = {normpath(mount.target): mount for mount in spec.mounts}
    for target, old in mounted.items():
        if not is_anonymous(old) or old.name in carried:
            continue
        new = now.get(target)
        place = f"{new.source or 'a tmpfs'} now" if new is not None else "no volume any more"
        yield (
            f"{target} is {place}; its anonymous volume {old.name} stays as it is, mounted nowhere "
            f"('docker volume rm {old.name}' removes it)"
        )

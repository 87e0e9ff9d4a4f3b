"""What a container's volumes become: the real ones in production, harmless ones in a test instance.

Stand-alone instances never see the volume root. A prod-ready instance sees copies of what it may write, and the real
directories read-only where production, too, only reads them. A volume inside another one needs a place in that to be
mounted on.
"""

from __future__ import annotations

import posixpath
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import assert_never

from kharness.plan.launch.runspec import Mount, MountKind
from kharness.plan.session.modes import Mode
from kharness.settings.volumes import CopyStrategy, TestMount, Volume


class VolumeAction(StrEnum):
    """What is done on the host before the container is created."""

    NONE = "none"
    ENSURE = "ensure"
    """Create the source if it is missing."""
    EMPTY = "empty"
    TREE = "tree"
    COPY = "copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePlan:
    """A mount, and how its source comes to be.

    `real` is production's directory or volume, and what EMPTY, TREE and COPY take owner, structure or contents from.
    `said`: the settings say by name what a test instance gets. `strategy` is how a COPY is to be made.
    """

    mount: Mount
    action: VolumeAction = VolumeAction.NONE
    real: str | None = None
    said: bool = False
    strategy: CopyStrategy = CopyStrategy.AUTO

    @property
    def scratch(self) -> bool:
        """Whether the source is made for one test instance and removed with it."""
        return self.action in {VolumeAction.EMPTY, VolumeAction.TREE, VolumeAction.COPY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """Where a test instance's own volumes go: a directory of its own, and a prefix for named volumes."""

    directory: PurePosixPath
    prefix: str


def resolve_source(source: str, *, name: str, volume_root: PurePosixPath) -> str:
    """Return the absolute path of a bind source, `..` resolved as the engine does: relative ones are in `DV/NAME/`."""
    return _clean(volume_root / name / source)


def plan_production(volume: Volume, *, name: str, volume_root: PurePosixPath, everywhere: bool = False) -> VolumePlan:
    """Mount the real thing; a directory below the volume root is created when it is missing.

    With `everywhere`, so is a directory elsewhere, as Compose does; what looks like a file is not.
    """
    if volume.type != "bind" or volume.source is None:
        return VolumePlan(mount=_mount(volume, source=volume.source), real=volume.source)
    source = resolve_source(volume.source, name=name, volume_root=volume_root)
    ours = (_is_below(source, volume_root) or (everywhere and not _is_file(volume))) and volume.create_host_path
    action = VolumeAction.ENSURE if ours else VolumeAction.NONE
    return VolumePlan(mount=_mount(volume, source=source), action=action, real=source)


def plan_test(
    volume: Volume,
    *,
    mode: Mode,
    name: str,
    volume_root: PurePosixPath,
    scratch: Scratch,
    index: int,
    missing: Container[str] = (),
    configured: bool = False,
) -> VolumePlan:
    """Mount something that a test may damage. `index` tells the instance's volumes apart.

    With `configured`, as for a service of a Compose project, what is read-only and lies outside the volume root is
    configuration, which a stand-alone instance has as well, and so is a single file, which is never writable.
    `missing` are the directories that a launch of production would make; a test instance gets an empty one instead.
    """
    if volume.type == "tmpfs" or volume.source is None:
        return VolumePlan(mount=_mount(volume, source=None))
    bind = volume.type == "bind"
    real = resolve_source(volume.source, name=name, volume_root=volume_root) if bind else volume.source
    how = _how(volume, mode=mode, shows_data=not bind or _meets(real, volume_root))
    if configured and bind and volume.test is None and not _meets(real, volume_root):
        how = TestMount.RO if volume.read_only or _is_file(volume) else how
    if bind and real in missing and how in {TestMount.SAME, TestMount.RO}:
        how = TestMount.EMPTY
    made = str(scratch.directory / str(index)) if bind else f"{scratch.prefix}-{index}"
    said = volume.test is not None
    match how:
        case TestMount.SAME:
            return VolumePlan(mount=_mount(volume, source=real), real=real, said=said)
        case TestMount.RO:
            mount = replace(
                _mount(volume, source=real),
                read_only=True,
                # What is mounted below a bind, now or later, would come along, and not become read-only: mount(8).
                propagation=None,
                non_recursive=bind,
            )
            return VolumePlan(mount=mount, real=real, said=said)
        case TestMount.EMPTY | TestMount.TREE | TestMount.COPY:
            # What is mounted on production's directory is part of a copy, and nothing is ever mounted on the copy.
            mount = replace(_mount(volume, source=made), propagation=None)
            return VolumePlan(
                mount=mount, action=VolumeAction(how.value), real=real, said=said, strategy=volume.strategy
            )
        case _:
            assert_never(how)


def _how(volume: Volume, *, mode: Mode, shows_data: bool) -> TestMount:
    if mode is Mode.STANDALONE:
        # Below the volume root is production's data, and the machine may be no production host.
        harmless = not shows_data and volume.test in {TestMount.SAME, TestMount.RO}
        return TestMount.RO if harmless else TestMount.EMPTY
    if volume.test is not None:
        return volume.test
    return TestMount.RO if volume.read_only else TestMount.COPY


def _is_file(volume: Volume) -> bool:
    # Nothing is there to look at: a name with an extension on both sides is a file's.
    return all(PurePosixPath(path or "").suffix for path in (volume.source, volume.target))


def _is_below(path: str, root: PurePosixPath) -> bool:
    return PurePosixPath(path).is_relative_to(_clean(root))


def _meets(path: str, root: PurePosixPath) -> bool:
    # A directory above the volume root shows it as well.
    return _is_below(path, root) or PurePosixPath(_clean(root)).is_relative_to(path)


def _clean(path: PurePosixPath) -> str:
    # Two slashes at the beginning are kept by normpath and mean nothing to Linux.
    return "/" + posixpath.normpath(path).lstrip("/")


def _mount(volume: Volume, *, source: str | None) -> Mount:
    return Mount(
        kind=MountKind(volume.type),
        source=source,
        target=volume.target,
        read_only=volume.read_only,
        propagation=volume.propagation,
        no_copy=volume.nocopy,
        size=volume.size,
        mode=volume.mode,
    )


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

"""Carry out what a launch plan says about volumes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from kharness.errors import HostError, UsageError
from kharness.host.volumes.directories import ensure_directory
from kharness.host.volumes.fingerprint import first_channel
from kharness.ops.harness import Harness
from kharness.ops.volumes.idmap import give_to_root
from kharness.plan.launch.mounts import VolumeAction, VolumePlan, lacking, plan_production
from kharness.plan.launch.plan import Subject
from kharness.plan.launch.runspec import MountKind
from kharness.plan.session.modes import Mode
from kharness.settings.layers import for_test


def missing_volumes(harness: Harness, plans: tuple[VolumePlan, ...]) -> tuple[Path, ...]:
    """Return the directories below the volume root that production's mounts need and that are not there.

    Raises `HostError` where a source outside the volume root is missing: kharness creates nothing there.
    """
    missing = []
    refuse_lacking_places(harness, plans)
    for plan in plans:
        source = plan.mount.source
        if plan.mount.kind is not MountKind.BIND or source is None or not harness.engine.facts().local:
            continue
        path = Path(source)
        with looking(path):
            exists = path.exists()
        if not exists and plan.action is not VolumeAction.ENSURE:
            raise HostError(f"{path}: should exist, because it is mounted at {plan.mount.target}")
        if not exists:
            missing.append(path)
    return tuple(dict.fromkeys(missing))


def missing_directories(harness: Harness, subject: Subject) -> frozenset[str]:
    """Return the directories that are not there, and that a launch of production would make for these volumes.

    Raises `HostError`.
    """
    return missing_here(subject, volume_root=harness.volume_root) if harness.engine.facts().local else frozenset()


def missing_here(subject: Subject, *, volume_root: PurePosixPath) -> frozenset[str]:
    """Return the same of this host, for any engine. Raises `HostError`."""
    found = set()
    for volume in for_test(subject.settings).volumes:
        everywhere = subject.origin is not None
        plan = plan_production(volume, name=subject.name, volume_root=volume_root, everywhere=everywhere)
        if plan.action is VolumeAction.ENSURE and plan.real is not None:
            with looking(path := Path(plan.real)):
                if not path.exists():
                    found.add(plan.real)
    return frozenset(found)


def refuse_lacking_places(harness: Harness, plans: tuple[VolumePlan, ...]) -> None:
    """Raise `HostError` where a volume lies inside a read-only one that has no place to mount it on."""
    if not harness.engine.facts().local:
        return
    for found in lacking(plans):
        place = Path(found.outer.mount.source or "", found.point)
        with looking(place):
            exists = place.exists()
        if not exists:
            around = f"{found.outer.mount.target}, which is read-only"
            raise HostError(f"{place}: should exist, because {found.inner.mount.target} is mounted inside {around}")


def create_volumes(harness: Harness, missing: Iterable[Path]) -> None:
    """Create directories below the volume root, for root in containers, and others as the engine would make them.

    Raises `HostError`.
    """
    for path in missing:
        root = Path(harness.host.dv)
        if path.is_relative_to(root):
            give_to_root(harness, [ensure_directory(root, str(path.relative_to(root)))])
            continue
        with looking(path):
            path.mkdir(parents=True, exist_ok=True)


def refuse_real_mounts(harness: Harness, plans: tuple[VolumePlan, ...], *, mode: Mode) -> None:
    """Look at what of this host a test instance would get; `UsageError` where that could hurt production.

    A path alone does not tell: it may be a link into the volume root, or a socket, through which even a read-only
    mount lets a test command what serves it.
    """
    refuse_lacking_places(harness, plans)
    if not harness.engine.facts().local:
        return
    for plan in plans:
        if plan.action is VolumeAction.NONE and plan.real and not plan.said:
            _refuse_channels(harness, plan)
        if plan.mount.kind is not MountKind.BIND or plan.action not in {VolumeAction.NONE, VolumeAction.COPY}:
            continue
        target, real = plan.mount.target, Path(plan.real or "")
        with looking(real):
            socket, place, root = real.is_socket(), _resolved(real), _resolved(harness.host.dv)
        if mode is Mode.STANDALONE and (place.is_relative_to(root) or root.is_relative_to(place)):
            raise UsageError(f"volumes: {target}: {real} leads to {root}, which stand-alone tests never see")
        if socket and not plan.said:
            raise UsageError(
                f"volumes: {target}: {real} is a socket, through which a test could command what production does; "
                f"say 'test: empty' on the volume, or allow it with 'test: same' on it and 'test: {{same: [{target}]}}'"
            )


def _refuse_channels(harness: Harness, plan: VolumePlan) -> None:
    # A connection can be made through a read-only mount, to what listens in production.
    if plan.mount.kind is MountKind.BIND:
        real = Path(plan.real or "")
    else:
        volume = harness.engine.volume(plan.real or "")
        real = Path(volume.directory) if volume and volume.directory else Path()
    with looking(real):
        found = first_channel(real) if real.is_absolute() and real.is_dir() else None
    if found is not None:
        raise UsageError(
            f"volumes: {plan.mount.target}: {found} is a socket or fifo, through which a test could command what "
            "production does; say 'test: empty' on the volume, or allow it with 'test: ro'"
        )


def _resolved(path: Path) -> Path:
    # Unlike Path.resolve, this takes a circle of links as it is; the engine will say what it thinks of it.
    return Path(os.path.realpath(path))


@contextmanager
def looking(path: Path) -> Iterator[None]:
    """Name the path where it cannot be looked at, in a `HostError`."""
    try:
        yield
    except OSError as error:
        raise HostError(f"{path}: cannot be used for a volume: {error.strerror}") from error

"""Carry out what a launch plan says about volumes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kharness.errors import HostError, UsageError
from kharness.host.copies import make_copy, make_empty, make_tree, remove_tree
from kharness.host.volumes import ensure_directory, remove_if_empty
from kharness.ops.harness import Harness
from kharness.plan.modes import Mode
from kharness.plan.mounts import VolumeAction, VolumePlan
from kharness.plan.runspec import MountKind


def missing_volumes(harness: Harness, plans: tuple[VolumePlan, ...]) -> tuple[Path, ...]:
    """Return the directories below the volume root that production's mounts need and that are not there.

    Raises `HostError` where a source outside the volume root is missing: kharness creates nothing there.
    """
    missing = []
    for plan in plans:
        source = plan.mount.source
        if plan.mount.kind is not MountKind.BIND or source is None or not harness.engine.facts().local:
            continue
        path = Path(source)
        with _looking(path):
            exists = path.exists()
        if not exists and plan.action is not VolumeAction.ENSURE:
            raise HostError(f"{path}: should exist, because it is mounted at {plan.mount.target}")
        if not exists:
            missing.append(path)
    return tuple(dict.fromkeys(missing))


def create_volumes(harness: Harness, missing: Iterable[Path]) -> None:
    """Create directories below the volume root; raises `HostError`."""
    for path in missing:
        ensure_directory(Path(harness.host.dv), str(path.relative_to(harness.host.dv)))


def refuse_real_mounts(harness: Harness, plans: tuple[VolumePlan, ...], *, mode: Mode) -> None:
    """Look at what of this host a test instance would get; `UsageError` where that could hurt production.

    A path alone does not tell: it may be a link into the volume root, or a socket, through which even a read-only
    mount lets a test command what serves it.
    """
    for plan in plans:
        if plan.mount.kind is not MountKind.BIND or plan.action not in {VolumeAction.NONE, VolumeAction.COPY}:
            continue
        if not harness.engine.facts().local:
            continue
        target, real = plan.mount.target, Path(plan.real or "")
        with _looking(real):
            socket, place, root = real.is_socket(), _resolved(real), _resolved(harness.host.dv)
        if mode is Mode.STANDALONE and (place.is_relative_to(root) or root.is_relative_to(place)):
            raise UsageError(f"volumes: {target}: {real} leads to {root}, which stand-alone tests never see")
        if socket and not plan.said:
            raise UsageError(
                f"volumes: {target}: {real} is a socket, through which a test could command what production does; "
                "say 'test: empty' on the volume, or allow it with 'test: same'"
            )


def make_scratch(harness: Harness, plans: tuple[VolumePlan, ...], *, labels: dict[str, str], stack: ExitStack) -> None:
    """Make a test instance's own volumes.

    Named ones are registered with the stack; directories are in the instance's own, and go with that, see
    `remove_scratch`.

    Raises `UsageError` on a remote engine, whose file system this host does not see, and `HostError`.
    """
    for plan in plans:
        if not plan.scratch:
            continue
        if plan.mount.kind is MountKind.VOLUME:
            _make_named(harness, plan, labels=labels, stack=stack)
            continue
        if not harness.engine.facts().local:
            raise UsageError(
                f"{plan.mount.target}: test volumes are directories of this host, and the engine at "
                f"{harness.engine.facts().endpoint} is not on it"
            )
        target = Path(plan.mount.source or "")
        with _looking(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        _fill(plan, Path(plan.real or ""), target)


def remove_scratch(directory: Path) -> None:
    """Remove an instance's own directory, and the session's when this was its last one; raises `HostError`."""
    remove_tree(directory)
    remove_if_empty(directory.parent)


def _make_named(harness: Harness, plan: VolumePlan, *, labels: dict[str, str], stack: ExitStack) -> None:
    # A fresh named volume is filled from the image at its first mount, exactly as production's was.
    engine = harness.engine
    name = plan.mount.source or ""
    made = engine.create_volume(name, labels=labels)
    stack.callback(engine.remove_volume, name)
    real = engine.volume(plan.real or "")
    if plan.action is VolumeAction.EMPTY or real is None:
        return
    if not engine.facts().local:
        raise UsageError(f"{plan.real}: copying a volume needs the engine's file system, and it is not on this host")
    target = Path(made.mountpoint)
    with _looking(target):
        target.rmdir()
    _fill(plan, Path(real.mountpoint), target)


def _fill(plan: VolumePlan, real: Path, target: Path) -> None:
    with _looking(real):
        exists, file = real.exists(), real.is_file()
    if not exists:
        make_empty(None, target)
    elif plan.action is VolumeAction.COPY:
        make_copy(real, target, progress=None)
    elif file:
        _make_empty_file(real, target)
    elif plan.action is VolumeAction.TREE:
        make_tree(real, target)
    else:
        make_empty(real, target)


def _make_empty_file(real: Path, target: Path) -> None:
    with _looking(target):
        found = real.stat()
        target.touch(mode=0o600)
        if os.geteuid() == 0:
            os.chown(target, found.st_uid, found.st_gid)
        target.chmod(stat.S_IMODE(found.st_mode))


def _resolved(path: Path) -> Path:
    # Unlike Path.resolve, this takes a circle of links as it is; the engine will say what it thinks of it.
    return Path(os.path.realpath(path))


@contextmanager
def _looking(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(f"{path}: cannot be used for a volume: {error.strerror}") from error

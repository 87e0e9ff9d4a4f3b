"""The snapshots of data that are kept: of what, for how long, and what they say of a release that was undone."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from kharness.errors import HostError, KharnessError
from kharness.host.volumes.fingerprint import survey
from kharness.host.volumes.snapshots import Snapshots
from kharness.ops.harness import Harness
from kharness.ops.volumes.root import check_volume_root
from kharness.plan.launch.mounts import Scratch, VolumeAction, plan_production, plan_test
from kharness.plan.launch.runspec import MountKind
from kharness.plan.release.operation import Data, Operation
from kharness.plan.session.modes import Mode
from kharness.plan.volumes.snapshots import (
    LAUNCHES,
    DeclaredVolume,
    DirectoryVolumes,
    Kept,
    Launched,
    ListedVolume,
    Snapshot,
    expired_snapshots,
)
from kharness.report.table import writes_text
from kharness.settings.catalog import ContainerDir
from kharness.settings.layers import for_test
from kharness.settings.volumes import Volume


def snapshots_of(harness: Harness, name: str) -> Snapshots:
    """Return the snapshots of a container directory's volumes."""
    return Snapshots(Path(harness.host.dv), name)


def store_of(operation: Operation, data: Data) -> Snapshots:
    """Return the snapshots of an operation, where the journal has them: the host's configuration may have changed."""
    return Snapshots(Path(data.root), operation.name)


def launches_of(harness: Harness, name: str) -> tuple[Launched, ...]:
    """Return what production has run, by the ledger, the oldest first."""
    rows = harness.state.releases_in_use(name)
    return tuple(Launched(row.id, row.image_id) for row in reversed(rows) if row.kind in LAUNCHES)


def discarded_text(operation: Operation) -> str:
    """Say what was written and is gone with an operation that was undone; empty where that is nothing."""
    if operation.data is None:
        return ""
    with suppress(KharnessError):
        lost = store_of(operation, operation.data).discarded(operation.id)
        if lost is not None and (lost.writes is None or lost.writes.count):
            return f"discarded {writes_text(lost.writes)}; kept as {lost.name}"
    return ""


def tidy_data(harness: Harness, operation: Operation) -> None:
    """Remove what an operation that is undone had not completed, and what was discarded too long ago.

    What cannot be removed is for the next release, or for `kharness prune`.
    """
    if operation.data is None:
        return
    try:
        check_volume_root(harness)
        if not store_of(operation, operation.data).is_taken(operation.id):
            _retire(harness, operation, operation.data)
    except KharnessError as error:
        harness.report(operation.name, f"something is left of a snapshot: {error}")


def retire_data(harness: Harness, operation: Operation) -> None:
    """Remove the snapshots that have had their time, once a release is kept; what cannot be removed is for the next.

    One from before a relaunch of the same image is nothing to roll back to.
    """
    if operation.data is None:
        return
    try:
        check_volume_root(harness)
        if what_ran(operation) == operation.image and not operation.data.restore:
            _remove_own(operation, operation.data)
        _retire(harness, operation, operation.data)
    except KharnessError as error:
        harness.report(operation.name, f"an old snapshot is left: {error}")


def prune_data(harness: Harness, name: str, *, keep: int, dry_run: bool) -> Iterator[tuple[Snapshot, int]]:
    """Remove the snapshots of a directory that have had their time; yields each, and its bytes on the disk."""
    if not harness.engine.facts().local:
        return
    check_volume_root(harness)
    found = snapshots_of(harness, name)
    used = in_use(harness, name)
    if not dry_run:
        found.tidy(in_use=used)
    for each in expired_snapshots(found.kept(), keep=keep, in_use=used):
        size = found.size(each)
        if not dry_run:
            found.remove(each)
        yield each, size


def _remove_own(operation: Operation, data: Data) -> None:
    found = store_of(operation, data)
    for each in found.kept():
        if each.id == operation.id:
            found.remove(each)


def _retire(harness: Harness, operation: Operation, data: Data) -> None:
    found = store_of(operation, data)
    # The caller holds the lock, so nothing else is at work, and what is not in the journal has no owner.
    used = in_use(harness, operation.name) - {operation.id}
    found.tidy(in_use=used)
    for each in expired_snapshots(found.kept(), keep=data.keep, in_use=used):
        found.remove(each)


def in_use(harness: Harness, name: str) -> frozenset[str]:
    """Return the ids of the snapshots that operations which are not over may need. Raises `StateError`."""
    operations = [entry.operation for entry in harness.state.operations(name)]
    return frozenset(used for each in operations if each.data for used in (each.id, each.data.restore))


def what_ran(operation: Operation) -> str | None:
    """Return the image whose data an operation finds."""
    return operation.former.image if operation.former else operation.live


NOWHERE = Scratch(directory=PurePosixPath("/"), prefix="test")


def volumes_of(harness: Harness, directory: ContainerDir) -> DirectoryVolumes:
    """Return the volumes of a container directory; nothing is changed. Raises `SettingsError`, `HostError`."""
    settings = harness.settings(directory)
    tested = {volume.target: volume for volume in for_test(settings).volumes}
    local = harness.engine.facts().local
    found = tuple(
        _facts(harness, directory.name, volume, tested.get(volume.target, volume), local=local)
        for volume in settings.volumes
    )
    kept = tuple(_kept(harness, directory.name)) if local else ()
    return DirectoryVolumes(name=directory.name, volumes=found, snapshots=kept)


def _facts(harness: Harness, name: str, volume: Volume, tested: Volume, *, local: bool) -> DeclaredVolume:
    root = harness.volume_root
    plan = plan_production(volume, name=name, volume_root=root)
    test = plan_test(tested, mode=Mode.PROD_READY, name=name, volume_root=root, scratch=NOWHERE, index=0)
    if test.action is VolumeAction.NONE:
        in_test = test.mount.kind.value if test.real is None else "ro" if test.mount.read_only else "same"
    else:
        in_test = test.action.value
    mount = plan.mount
    look = local and mount.kind is MountKind.BIND and mount.source is not None
    return DeclaredVolume(
        target=mount.target,
        kind=mount.kind.value,
        source=mount.source,
        read_only=mount.read_only,
        in_test=in_test,
        known=look,
        place=_place(Path(mount.source or "")) if look else None,
    )


def _place(path: Path) -> ListedVolume | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"{path}: cannot be inspected: {error.strerror}") from error
    said = ListedVolume(uid=found.st_uid, gid=found.st_gid, mode=stat.S_IMODE(found.st_mode))
    if not stat.S_ISDIR(found.st_mode):
        return replace(said, entries=1, bytes=found.st_size)
    try:
        tree = survey(path.resolve())
    except (HostError, OSError) as error:
        return replace(said, problem=str(error))
    return replace(said, entries=tree.entries, bytes=tree.bytes)


def _kept(harness: Harness, name: str) -> Iterator[Kept]:
    found = snapshots_of(harness, name)
    for snapshot in found.kept():
        yield Kept(snapshot=snapshot, bytes=found.size(snapshot))

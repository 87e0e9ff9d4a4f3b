"""The data of a release: snapshotted while nobody writes, put back with the old container, kept for a roll-back.

Each step looks first, see `kharness.host.snapshots`, so that one way back is right after every one of them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from kharness.errors import KharnessError, LaunchError
from kharness.host import btrfs
from kharness.host.mountinfo import mounts_below
from kharness.host.snapshots import Snapshots
from kharness.ops.harness import Harness
from kharness.ops.inhand import located, running_mounters
from kharness.ops.snapshots import discarded_text, snapshots_of, store_of, what_ran
from kharness.ops.volumeroot import check_volume_root
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch import LaunchPlan, Subject
from kharness.plan.operation import Data, Operation
from kharness.plan.runspec import Mount, MountKind
from kharness.plan.sizes import size_text
from kharness.plan.snapshots import Snapshot, Use, refusals_to_snapshot


def refusals_of_data(harness: Harness, subject: Subject, plan: LaunchPlan, *, restore: str = "") -> tuple[str, ...]:
    """Return why a launch could not put the data back that it promises to; looks, and changes nothing."""
    if not _is_wanted(subject, restore):
        return ()
    local = harness.engine.facts().local
    directory = snapshots_of(harness, subject.name).directory
    if local and directory.is_symlink():
        return (f"{directory}: should be a directory for its snapshots, not a symbolic link",)
    return refusals_to_snapshot(
        map(_resolved, plan.spec.mounts),
        directory=str(directory),
        local=local,
        mounted=(str(mounted.place) for mounted in mounts_below(directory)) if local else (),
        others=_writers(harness, subject.name) if local else (),
    )


def plan_data(harness: Harness, subject: Subject, *, restore: str = "") -> Data | None:
    """Return what an operation must know of the data, None where they stay as they are; says what that will take.

    Raises `HostError` where the volume root is another one, or there is not the space. Production still runs.
    """
    if not _is_wanted(subject, restore):
        return None
    check_volume_root(harness)
    found = snapshots_of(harness, subject.name)
    if restore or found.exists():
        estimate = found.estimate(of=restore or None)
        if estimate.strategy == "real":
            when = "of a snapshot, before" if restore else "of data, while"
            harness.report(subject.name, f"copying {size_text(estimate.bytes)} {when} production is stopped")
    last = next(iter(harness.state.releases(subject.name, 1)), None)
    keep = subject.settings.release.keep_data
    return Data(root=str(harness.host.dv), keep=keep, after=last.id if last else 0, restore=restore)


def make_directory(operation: Operation) -> None:
    """Let a volume directory that is not there be a subvolume, where that can be: a snapshot of one takes no time."""
    if operation.data is not None and operation.fresh:
        found = store_of(operation, operation.data)
        with suppress(OSError):  # else it becomes a plain directory
            if found.directory.parent.is_dir() and not found.exists():
                btrfs.create(found.directory)


def prepare_data(harness: Harness, operation: Operation) -> None:
    """Make what takes the data's place, if anything does, while production still runs."""
    if operation.data is not None and operation.data.restore:
        name, restore = operation.name, operation.data.restore
        store_of(operation, operation.data).prepare(operation.id, of=restore, progress=harness.details(name))


def take_data(harness: Harness, operation: Operation) -> None:
    """Keep the data as they are; the old container is stopped, and the new one has not run yet."""
    data = operation.data
    if data is None:
        return
    found = store_of(operation, data)
    snapshot = Snapshot(
        id=operation.id,
        at=operation.at,
        image=operation.image,
        previous=what_ran(operation),
        after=data.after,
    )
    if data.restore:
        harness.report(operation.name, f"putting the data of snapshot {data.restore} in place")
        found.exchange(snapshot)
        _tell_readers(harness, operation, found)
    elif found.exists():
        harness.report(operation.name, "making a snapshot of the data")
        if sockets := found.take(snapshot, progress=harness.details(operation.name)):
            harness.report(operation.name, f"the snapshot is without sockets: {', '.join(map(ascii, sockets))}")


def put_data_back(harness: Harness, operation: Operation) -> None:
    """Let the data be what they were, if the new container may have run on them.

    Raises `LaunchError` where somebody uses them, `HostError` where they cannot be found or moved.
    """
    data = operation.data
    if data is None:
        return
    check_volume_root(harness)
    found = store_of(operation, data)
    if not found.is_taken(operation.id):
        return
    for each in _users(harness, operation):
        raise LaunchError(f"{each.name} runs, and writes to the data that are to be put back; stop it first")
    found.put_back(operation.id, base=data.restore)
    if said := discarded_text(operation):
        harness.report(operation.name, said)
    _tell_readers(harness, operation, found)


def _tell_readers(harness: Harness, operation: Operation, found: Snapshots) -> None:
    # Their mounts are of the directory that has been put aside, whatever its name is now.
    for each in running_mounters(harness, found.directory):
        if not labels.is_production(each.labels, operation.name):
            harness.report(operation.name, f"{each.name} still reads the data that were put aside; restart it")


def refuse_other_data(harness: Harness, operation: Operation) -> None:
    """Raise `LaunchError` or `HostError` where the old container would start on data that are not its own."""
    if operation.data is None:
        return
    check_volume_root(harness)
    if store_of(operation, operation.data).is_taken(operation.id):
        raise LaunchError("the old container is not started, because its data are not put back")


def is_data_back(harness: Harness, operation: Operation) -> bool:
    """Whether the old container's data are where it finds them; False where that cannot be told."""
    try:
        refuse_other_data(harness, operation)
    except KharnessError:
        return False
    return True


def by_hand(operation: Operation, data: Data) -> str:
    """Return what a person does in place of `put_data_back`."""
    found = store_of(operation, data)
    present, kept = shlex.quote(str(found.directory)), shlex.quote(str(found.place / operation.id / "data"))
    return f"mv {present} {present}.discarded; mv {kept} {present}"


def _is_wanted(subject: Subject, restore: str) -> bool:
    return bool(restore) or subject.settings.release.data == "snapshot"


def _users(harness: Harness, operation: Operation) -> Iterator[ContainerFacts]:
    if operation.former is not None and (old := harness.engine.container(operation.former.id)):
        yield from (old,) if old.running else ()
    for new in harness.engine.containers(labels={labels.RELEASE: operation.id}):
        yield from (new,) if new.up else ()


def _resolved(mount: Mount) -> Mount:
    if mount.kind is not MountKind.BIND or mount.source is None:
        return mount
    return replace(mount, source=os.path.realpath(mount.source))


def _writers(harness: Harness, name: str) -> Iterator[Use]:
    for each in located(harness.engine, harness.engine.containers()):
        if labels.is_production(each.labels, name):
            continue
        for mount in each.mounts:
            if mount.writable and mount.kind == MountKind.BIND and mount.source:
                yield Use(each.name, mount.source)

"""The data of a release: snapshotted while no container writes, put back with the old container, kept for a roll-back.

Each step looks first, see `kharness.host.volumes.snapshots`, so that one way back is right after every one of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kharness.errors import KharnessError, LaunchError
from kharness.host.machine.kernel import mounts_below
from kharness.host.volumes import btrfs
from kharness.host.volumes.snapshots import Snapshots
from kharness.ops.harness import Harness
from kharness.ops.launch.volumes import create_volumes, missing_volumes
from kharness.ops.project.identity import created, is_ours, made_by
from kharness.ops.release.exchange import refuse_restored
from kharness.ops.release.target import Handler
from kharness.ops.release.work import Back, Launching
from kharness.ops.volumes.mounters import located, running_mounters
from kharness.ops.volumes.prepare import give, prepare_launch
from kharness.ops.volumes.root import check_volume_root
from kharness.ops.volumes.snapshots import discarded_text, retire_data, snapshots_of, store_of, tidy_data, what_ran
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.launch.runspec import Mount, MountKind
from kharness.plan.release.operation import Data, Operation
from kharness.plan.release.steps import Act, Step
from kharness.plan.text import size_text
from kharness.plan.volumes.snapshots import Snapshot, Use, refusals_to_snapshot


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


def data_of(harness: Harness, subject: Subject, *, restore: str = "") -> Data | None:
    """Return what an operation must know of the data, None where they stay as they are. Raises `StateError`."""
    if not _is_wanted(subject, restore):
        return None
    last = next(iter(harness.state.releases(subject.name, 1)), None)
    keep = subject.settings.release.keep_data
    return Data(root=str(harness.host.dv), keep=keep, after=last.id if last else 0, restore=restore)


def plan_data(harness: Harness, subject: Subject, *, restore: str = "") -> Data | None:
    """Return what `data_of` does, and report what that will take, while production still runs.

    Raises `HostError` where the volume root is another one, or there is not the space.
    """
    data = data_of(harness, subject, restore=restore)
    if data is None:
        return None
    check_volume_root(harness)
    found = snapshots_of(harness, subject.name)
    if restore or found.exists():
        estimate = found.estimate(of=restore or None)
        if estimate.strategy == "real":
            when = "of a snapshot, before" if restore else "of data, while"
            harness.report(subject.name, f"copying {size_text(estimate.bytes)} {when} production is stopped")
    return data


def make_directory(operation: Operation) -> None:
    """Let a volume directory that is not there be a subvolume, where that can be: a snapshot of one takes no time."""
    if operation.data is not None and operation.fresh:
        found = store_of(operation, operation.data)
        with suppress(OSError):  # else it becomes a plain directory
            if found.directory.parent.is_dir() and not found.exists():
                btrfs.create(found.directory)


def _copy(work: Launching, _step: Step) -> None:
    # While production still runs.
    operation, data = work.operation, work.operation.data
    if data is not None and data.restore:
        store_of(operation, data).prepare(operation.id, of=data.restore, progress=work.harness.details(operation.name))


def _tidy(back: Back, _step: Step) -> None:
    tidy_data(back.harness, back.operation)


def _take(work: Launching, _step: Step) -> None:
    # The old container is stopped, and the new one has not run yet.
    harness, operation, data = work.harness, work.operation, work.operation.data
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
        _complete_older(work)
    elif found.exists():
        harness.report(operation.name, "making a snapshot of the data")
        if sockets := found.take(snapshot, progress=harness.details(operation.name)):
            harness.report(operation.name, f"the snapshot is without sockets: {', '.join(map(ascii, sockets))}")


def _complete_older(work: Launching) -> None:
    # Older data may lack what the settings have now.
    missing = missing_volumes(work.harness, work.plan.volumes)
    create_volumes(work.harness, missing)
    give_made(work, map(str, missing))
    prepare_launch(work.harness, work.subject)


def give_made(work: Launching, made: Iterable[str]) -> None:
    """Give the directories that were made for the new container, and that it may write, to its user."""
    fresh = {*made}
    sources = (volume.mount.source for volume in work.plan.volumes if not volume.mount.read_only)
    if directories := tuple(Path(source) for source in sources if source in fresh):
        give(work.harness, work.subject, created(work.harness, work.operation).id, directories)


def _put_back(back: Back, _step: Step) -> None:
    # The new container may have run on them.
    harness, operation, data = back.harness, back.operation, back.operation.data
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


def _retire(harness: Harness, operation: Operation, _step: Step) -> tuple[str, ...]:
    retire_data(harness, operation)
    return ()


def _tell_readers(harness: Harness, operation: Operation, found: Snapshots) -> None:
    # Their mounts follow the directory that was put aside, under its new name.
    for each in running_mounters(harness, found.directory):
        if not is_ours(harness, each, operation.name):
            harness.report(operation.name, f"{each.name} still reads the data that were put aside; restart it")


def refuse_other_data(harness: Harness, operation: Operation) -> None:
    """Raise `LaunchError` or `HostError` where the old container would start on data that are not its own."""
    refuse_restored(harness, operation)
    if operation.data is None:
        return
    check_volume_root(harness)
    if store_of(operation, operation.data).is_taken(operation.id):
        raise LaunchError("the old container is not started, because its data are not put back")


def is_data_back(harness: Harness, operation: Operation) -> bool:
    """Whether the old container's data are where it finds them; False where that cannot be known."""
    try:
        refuse_other_data(harness, operation)
    except KharnessError:
        return False
    return True


def _is_wanted(subject: Subject, restore: str) -> bool:
    return bool(restore) or subject.settings.release.data == "snapshot"


def _users(harness: Harness, operation: Operation) -> Iterator[ContainerFacts]:
    if operation.former is not None and (old := harness.engine.container(operation.former.id)):
        yield from (old,) if old.running else ()
    for new in made_by(harness, operation):
        yield from (new,) if new.up else ()


def _resolved(mount: Mount) -> Mount:
    if mount.kind is not MountKind.BIND or mount.source is None:
        return mount
    return replace(mount, source=os.path.realpath(mount.source))


def _writers(harness: Harness, name: str) -> Iterator[Use]:
    for each in located(harness.engine, harness.engine.containers()):
        if is_ours(harness, each, name):
            continue
        for mount in each.mounts:
            if mount.writable and mount.kind == MountKind.BIND and mount.source:
                yield Use(each.name, mount.source)


HANDLERS: Mapping[Act, Handler] = {
    Act.COPY: Handler(do=_copy, undo=_tidy),
    Act.SNAPSHOT: Handler(do=_take, undo=_put_back, complete=_retire),
}

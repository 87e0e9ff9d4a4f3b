"""Other data take the place of a container's present ones, and the present ones come back where that does not work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import KharnessError, LaunchError
from kharness.host.volumes.snapshots import Snapshots
from kharness.ops.harness import Harness
from kharness.ops.release.target import Handler
from kharness.ops.release.work import Back, Work
from kharness.ops.volumes.root import check_volume_root
from kharness.ops.volumes.snapshots import in_use
from kharness.plan.release.operation import Operation
from kharness.plan.release.steps import Act, Step
from kharness.plan.volumes.snapshots import Snapshot, expired_snapshots

KEPT = 3
"""How many earlier states of a volume stay; those of `DV/NAME` stay as long as its releases say."""


@dataclass(frozen=True, kw_only=True)
class Exchanging(Work):
    """A restoration on its way forward.

    `prepare` makes what takes the place of the directory of a step, `record` remembers the volumes that were made for
    it, `ready` waits until the container that was started is ready. `after` is the number of the ledger's last entry.
    """

    prepare: Callable[[str], None]
    record: Callable[[], None]
    ready: Callable[[], None]
    after: int


def store(path: str) -> Snapshots:
    """Return the snapshots of a directory, beside it."""
    place = Path(path)
    return Snapshots(place.parent, place.name)


def refuse_restored(harness: Harness, operation: Operation) -> None:
    """Raise `LaunchError` or `HostError` where a container would start on data that are to be put back."""
    if operation.restored:
        check_volume_root(harness)
    if any(store(path).is_taken(operation.id) for path in operation.restored):
        raise LaunchError("the container is not started, because its data are not put back")


def _prepare(work: Exchanging, step: Step) -> None:
    work.prepare(step.of)


def _exchange(work: Exchanging, step: Step) -> None:
    operation = work.operation
    former = operation.former.image if operation.former else operation.live
    snapshot = Snapshot(id=operation.id, at=operation.at, image=operation.image, previous=former, after=work.after)
    store(step.of).exchange(snapshot)


def _put_back(back: Back, step: Step) -> None:
    harness, operation = back.harness, back.operation
    check_volume_root(harness)
    found = store(step.of)
    if not found.is_taken(operation.id):
        return
    container = harness.engine.container(operation.former.id) if operation.former is not None else None
    if container is not None and container.up:
        # It was started on the other data, and must not write to these while they come back.
        harness.engine.set_restart(container.id, "no")
        harness.engine.stop(container.id)
    found.put_back(operation.id)


def _record(work: Exchanging, _step: Step) -> None:
    # Before it is decided: without the record no container would ever mount what was made.
    work.record()


def _resume(work: Exchanging, _step: Step) -> None:
    engine, former = work.harness.engine, work.operation.former
    found = engine.container(former.id) if former else None
    if former is None or found is None:
        raise LaunchError(f"{work.operation.container}: was removed while its data were exchanged")
    work.harness.report(work.operation.name, f"starting {found.name} on the restored data")
    engine.set_restart(found.id, former.restart, retries=former.retries)
    engine.start(found.id)
    work.ready()


def _tidy(harness: Harness, operation: Operation, step: Step) -> tuple[str, ...]:
    # What was not completed goes, and so do states of volumes that have had their time; a failure is only reported.
    try:
        check_volume_root(harness)
        others = in_use(harness, operation.name) - {operation.id}
        found = store(step.of)
        found.tidy(in_use=others)
        if Path(harness.host.dv).resolve() != found.directory.parent:
            for each in expired_snapshots(found.kept(), keep=KEPT, in_use=others):
                found.remove(each)
    except KharnessError as error:
        harness.report(operation.name, f"something is left of a restoration: {error}")
    return ()


def _tidy_back(back: Back, step: Step) -> None:
    _tidy(back.harness, back.operation, step)


HANDLERS: Mapping[Act, Handler] = {
    Act.PREPARE: Handler(do=_prepare, undo=_tidy_back, complete=_tidy),
    Act.EXCHANGE: Handler(do=_exchange, undo=_put_back),
    Act.VOLUMES: Handler(do=_record),
    Act.RESUME: Handler(do=_resume),
}

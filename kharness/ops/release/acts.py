"""How the steps of an operation are done and undone, but for those that the production target does itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from kharness.errors import KharnessError
from kharness.host.volumes.directories import remove_if_empty
from kharness.ops.harness import Harness
from kharness.ops.launch.secrets import place_secrets
from kharness.ops.launch.subject import may_start
from kharness.ops.launch.volumes import create_volumes
from kharness.ops.release import data, exchange
from kharness.ops.release.target import Handler
from kharness.ops.release.verification import verify
from kharness.ops.release.work import Back, Launching, Work
from kharness.ops.volumes.root import record_volume_root
from kharness.plan.facts import short_id
from kharness.plan.image.tags import TagMove, plan_promotion, plan_revert
from kharness.plan.release.operation import Operation
from kharness.plan.release.steps import Act, Step


def move_tag(work: Work, step: Step) -> None:
    """Let the reference of this step name what it is to name."""
    operation = work.operation
    moves = plan_promotion(operation.tags, tested=operation.image, live=operation.live)
    for move in moves:
        if move.ref == _ref(operation, step):
            _move(work.harness, move)


def move_tag_back(back: Back, step: Step) -> None:
    """Let the reference of this step name what it named before, unless another user has moved it since."""
    harness, operation = back.harness, back.operation
    moves = plan_revert(operation.tags, live=operation.live, prev=operation.prev)
    move = next(each for each in moves if each.ref == _ref(operation, step))
    found = harness.engine.image(move.ref)
    now = found.id if found else None
    if now == move.image:
        return
    if now not in {None, operation.image, operation.live}:
        harness.report(operation.name, f"{move.ref} was moved meanwhile by something else, and is left alone")
        return
    if move.image is not None and harness.engine.image(move.image) is None:
        harness.report(operation.name, f"the image {short_id(move.image)} that {move.ref} named is gone")
        move = TagMove(move.ref, None)
    _move(harness, move)


def name_image(harness: Harness, operation: Operation, _step: Step) -> Iterator[str]:
    """Give the image a name that keeps it for a later roll-back."""
    if operation.image == operation.live:
        return
    try:
        if harness.engine.image(operation.image) is None:
            harness.report(operation.name, f"the image {short_id(operation.image)} is gone already")
        else:
            harness.engine.tag(operation.image, operation.tags.release(operation.at))
    except KharnessError as error:
        yield f"the image {short_id(operation.image)} has no name that keeps it for a roll-back: {error}"


def _ref(operation: Operation, step: Step) -> str:
    return operation.tags.prev if step.act is Act.PREV else operation.tags.live


def _move(harness: Harness, move: TagMove) -> None:
    if move.image is None:
        harness.engine.untag(move.ref)
    else:
        harness.engine.tag(move.image, move.ref)


def make_directories(work: Launching, _step: Step) -> None:
    """Make the directories of the host that the new container mounts and that are not there."""
    harness, operation = work.harness, work.operation
    may_start(harness, operation.name)
    harness.report(operation.name, "relaunching production")
    data.make_directory(operation)
    create_volumes(harness, map(Path, operation.fresh))
    if operation.fresh:
        record_volume_root(harness)


def remove_directories(back: Back, _step: Step) -> None:
    """Remove what was made, unless something is in it."""
    for path in back.operation.fresh:
        remove_if_empty(path)


def copy_secrets(work: Launching, _step: Step) -> None:
    """Copy the secrets to where only root and the engine read them; copies that nothing uses are swept later."""
    place_secrets(work.harness, work.plan, who=work.operation.name)


HANDLERS: Mapping[Act, Handler] = {
    Act.PREV: Handler(do=move_tag, undo=move_tag_back),
    Act.LIVE: Handler(do=move_tag, undo=move_tag_back, complete=name_image),
    Act.DIRECTORIES: Handler(do=make_directories, undo=remove_directories),
    Act.SECRETS: Handler(do=copy_secrets),
    Act.VERIFY: Handler(do=verify),
    **data.HANDLERS,
    **exchange.HANDLERS,
}

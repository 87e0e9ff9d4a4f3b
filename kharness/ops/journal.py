"""A release in the journal: remembered before it changes anything, then kept or undone, and only then forgotten.

The same two ways out serve whoever began it and whoever finds it after a crash.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from kharness.errors import KharnessError
from kharness.host.state import Entry
from kharness.host.volumes import remove_if_empty
from kharness.ops.harness import Harness
from kharness.ops.putback import PutBack
from kharness.ops.snapshots import discarded_text
from kharness.ops.targets.engine import EngineTarget
from kharness.plan.facts import short_id
from kharness.plan.operation import Kind, Operation, Phase
from kharness.plan.tags import TagMove, plan_revert

IN_FLIGHT = 0.5
"""Seconds; an engine goes on with a request whose sender is dead, and each takes a fraction of that, but for a stop."""
CUT_SHORT = "the release was cut short, and undone later"


def carry_out(harness: Harness, operation: Operation, work: Callable[[], tuple[str, ...] | None]) -> tuple[str, ...]:
    """Do the work of an operation and decide for it; returns the reasons that speak against it, and empty means kept.

    Raises `StateError` where it could not be journaled, and nothing was begun. An interrupt is no verdict: what was
    there before is there again, and the ledger has nothing to tell.
    """
    harness.state.begin(operation)
    try:
        reasons = work() or ()
        if not reasons:
            harness.state.decide(operation.id, _entries(operation))
    except KharnessError as error:
        return () if _is_kept(harness, operation) else (str(error),)
    except BaseException as error:
        if _is_kept(harness, operation):
            # It was decided, and the next command completes it.
            raise
        for left in undo(harness, operation, note="interrupted", told=False):
            harness.report(operation.name, left)
            error.add_note(left)
        raise
    return reasons


def _is_kept(harness: Harness, operation: Operation) -> bool:
    try:
        entries = harness.state.operations(operation.name)
    except KharnessError:
        return False
    return any(entry.operation.id == operation.id and entry.phase is Phase.KEEP for entry in entries)


def undo(
    harness: Harness, operation: Operation, *, note: str, told: bool = True, crashed: bool = False
) -> tuple[str, ...]:
    """Let everything be what it was before; returns what could not be done, each with what to do by hand.

    Then the operation stays in the journal, and the next command tries again. `note` goes into the ledger, unless the
    operation is not worth an entry (`told` is False). Where the process that began it has `crashed`, the engine may
    still be at its last request: what it has done a moment later is undone as well.
    """
    left = _way_back(harness, operation, crashed=crashed).run()
    if crashed and not left:
        time.sleep(IN_FLIGHT)
        left = _way_back(harness, operation, crashed=False).run()
    discarded = discarded_text(operation)
    # Tried again by a timer, it is said once.
    note = note if discarded in note else f"{note}\n{discarded}".strip()
    entries = [_entry(operation, "undone", note=note)] if told else []
    try:
        if left:
            harness.state.doubt(operation.id, note)
        else:
            harness.state.end(operation.id, entries)
    except KharnessError as error:
        # All is as it was; the next command finds that there is nothing to undo.
        harness.report(operation.name, f"the ledger of releases lacks what was undone: {error}")
    return left


def end_undone(harness: Harness, operation: Operation, *, note: str) -> None:
    """Let an operation leave the journal although not all of it could be undone."""
    harness.state.end(operation.id, [_entry(operation, "undone", note=note)])


def keep(harness: Harness, operation: Operation) -> tuple[str, ...]:
    """Complete what was decided and told: the image gets a name that stays, the old container goes.

    Returns what is left to do, as notes; then the operation stays in the journal, and the next command tries again.
    """
    notes = list(_name_image(harness, operation))
    if operation.container:
        notes += EngineTarget(harness).keep(operation)
    with suppress(KharnessError):  # who finds it in the journal finds that nothing is left to do
        if not notes:
            harness.state.end(operation.id)
    return tuple(notes)


def _name_image(harness: Harness, operation: Operation) -> Iterator[str]:
    if operation.image == operation.live:
        return
    try:
        if harness.engine.image(operation.image) is None:
            harness.report(operation.name, f"the image {short_id(operation.image)} is gone already")
        else:
            harness.engine.tag(operation.image, operation.tags.release(operation.at))
    except KharnessError as error:
        yield f"the image {short_id(operation.image)} has no name that keeps it for a roll-back: {error}"


def move_tags(harness: Harness, moves: Iterable[TagMove]) -> None:
    """Move references, in order."""
    for move in moves:
        if move.image is None:
            harness.engine.untag(move.ref)
        else:
            harness.engine.tag(move.image, move.ref)


def _way_back(harness: Harness, operation: Operation, *, crashed: bool) -> PutBack:
    back = PutBack()
    _untag(harness, operation, back)
    for path in operation.fresh:
        back.add(partial(remove_if_empty, path))
    if operation.container:
        EngineTarget(harness).undo(operation, back, crashed=crashed)
    return back


def _untag(harness: Harness, operation: Operation, back: PutBack) -> None:
    # `:live` first when it goes back: until then `:prev` keeps its image from being nobody's.
    for move in reversed(plan_revert(operation.tags, live=operation.live, prev=operation.prev)):
        by_hand = f"docker tag {move.image} {move.ref}" if move.image else f"docker rmi {move.ref}"
        back.add(partial(_move_back, harness, operation, move), failed=f"{move.ref} may have moved", by_hand=by_hand)


def _move_back(harness: Harness, operation: Operation, move: TagMove) -> None:
    found = harness.engine.image(move.ref)
    now = found.id if found else None
    if now == move.image:
        return
    if now not in {None, operation.image, operation.live}:
        # Neither this release nor what was there before: somebody has chosen it since.
        harness.report(operation.name, f"{move.ref} was moved by somebody else meanwhile, and is left alone")
        return
    if move.image is not None and harness.engine.image(move.image) is None:
        harness.report(operation.name, f"the image {short_id(move.image)} that {move.ref} named is gone")
        move = TagMove(move.ref, None)
    move_tags(harness, [move])


def _entries(operation: Operation) -> list[Entry]:
    promoted = "untested" if operation.evidence.untested else "promote"
    note = f"flaky: {', '.join(operation.evidence.flaky)}" if operation.evidence.flaky else ""
    match operation.kind:
        case Kind.PROMOTE:
            return [_entry(operation, promoted, note=note)]
        case Kind.LAUNCH if not operation.container and operation.live == operation.image:
            return []  # what ran already was looked at, and nothing was changed
        case Kind.LAUNCH if operation.live != operation.image:
            return [_entry(operation, promoted, note=note), _entry(operation, "launch")]
        case kind:
            return [_entry(operation, kind.value, note=operation.note)]


def _entry(operation: Operation, kind: str, *, note: str = "") -> Entry:
    evidence = operation.evidence
    return Entry(
        name=operation.name,
        kind=kind,
        image_id=operation.image,
        previous=operation.live,
        digest=evidence.digest,
        commit=evidence.commit,
        who=who(),
        at=time.time(),
        session=evidence.session,
        tests=evidence.tests,
        note=note,
    )


def who() -> str:
    """Return the user behind this process, for the ledger."""
    user = os.environ.get("SUDO_USER")
    if user:
        return f"{user} (sudo)"
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())

"""An operation as one transaction: journaled before it changes anything, then kept or undone, and only then forgotten.

It walks the steps of `plan_rollout` forward, and backward where a step fails. The process that finds an operation in
the journal after a crash walks the same steps backward, or completes them where the operation was decided.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress

from kharness.errors import KharnessError
from kharness.ops.harness import Harness
from kharness.ops.release.acts import HANDLERS
from kharness.ops.release.ledger import entries_of, release_entry
from kharness.ops.release.target import Handler, Reasons
from kharness.ops.release.work import Back, Work
from kharness.ops.volumes.snapshots import discarded_text
from kharness.plan.release.operation import Ending, Operation, Phase
from kharness.plan.release.steps import Step, Strategy, plan_rollout, strategy_of

IN_FLIGHT = 0.5
"""Seconds; an engine goes on with a request whose sender is dead, and each takes a fraction of that, but for a stop."""
CUT_SHORT = "the release was cut short, and undone later"


def carry_out(work: Work) -> Reasons:
    """Do the steps of an operation and decide for it; returns the reasons that speak against it, and empty means kept.

    Raises `StateError` where it could not be journaled, and nothing was begun. An interrupt is no verdict: what was
    there before is there again, and the ledger gets no entry.
    """
    harness, operation = work.harness, work.operation
    harness.state.begin(operation)
    try:
        reasons = _forward(work)
        if not reasons:
            harness.state.decide(operation.id, entries_of(operation))
    except KharnessError as error:
        return () if _is_kept(harness, operation) else (str(error),)
    except BaseException as error:
        if _is_kept(harness, operation):
            # It was decided, and the next command completes it.
            raise
        for left in undo(harness, operation, note="interrupted", recorded=False):
            harness.report(operation.name, left)
            error.add_note(left)
        raise
    return reasons


def undo(
    harness: Harness, operation: Operation, *, note: str, recorded: bool = True, crashed: bool = False
) -> tuple[str, ...]:
    """Walk an operation's steps backward; returns what could not be undone, each with what to do by hand.

    Then the operation stays in the journal, and the next command tries again. `note` goes into the ledger, unless the
    operation is not worth an entry (`recorded` is False). Where the process that began it has `crashed`, the engine may
    still be at its last request: what it has done a moment later is undone as well.
    """
    left = _backward(Back(harness=harness, operation=operation, crashed=crashed))
    if crashed and not left:
        time.sleep(IN_FLIGHT)
        left = _backward(Back(harness=harness, operation=operation))
    discarded = discarded_text(operation)
    # A timer tries again every few minutes; the text is recorded once.
    note = note if discarded in note else f"{note}\n{discarded}".strip()
    entries = [release_entry(operation, Ending.UNDONE.value, note=note)] if recorded else []
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
    harness.state.end(operation.id, [release_entry(operation, Ending.UNDONE.value, note=note)])


def complete(harness: Harness, operation: Operation) -> tuple[str, ...]:
    """Complete an operation that was decided: the image gets a name that stays, the old container goes.

    Returns what is left to do, as notes; then the operation stays in the journal, and the next command tries again.
    """
    notes: list[str] = []
    for step in steps_of(harness, operation):
        finish = handler_of(harness, step).complete
        if finish is not None:
            notes += finish(harness, operation, step)
    with suppress(KharnessError):  # the next command finds it in the journal, and nothing left to do
        if not notes:
            harness.state.end(operation.id)
    return tuple(notes)


def steps_of(harness: Harness, operation: Operation, strategy: Strategy | None = None) -> tuple[Step, ...]:
    """Return the steps of an operation; those of one that the journal has, unless a `strategy` is given."""
    launches = harness.production.strategy
    return plan_rollout(strategy or strategy_of(operation, launches=launches), operation.former, operation)


def handler_of(harness: Harness, step: Step) -> Handler:
    """Return how a step is done and undone."""
    return HANDLERS.get(step.act) or harness.production.handlers[step.act]


def _forward(work: Work) -> Reasons:
    for step in work.steps:
        try:
            reasons = handler_of(work.harness, step).do(work, step)
        except KharnessError as error:
            return (f"{step.fails}: {error}" if step.fails else str(error),)
        if reasons:
            return reasons
    return ()


def _backward(back: Back) -> tuple[str, ...]:
    left: list[str] = []

    def try_to(step: Step) -> None:
        take_back = handler_of(back.harness, step).undo
        if take_back is None:
            return
        try:
            take_back(back, step)
        except KharnessError as error:
            left.append(step.left(error))

    # Last to first. A step that fails, or is interrupted, does not keep the others from being tried.
    with ExitStack() as stack:
        for step in steps_of(back.harness, back.operation):
            stack.callback(try_to, step)
    return tuple(left)


def _is_kept(harness: Harness, operation: Operation) -> bool:
    try:
        entries = harness.state.operations(operation.name)
    except KharnessError:
        return False
    return any(entry.operation.id == operation.id and entry.phase is Phase.KEEP for entry in entries)

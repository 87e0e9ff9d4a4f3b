"""Finish or undo what a release that was killed, or could not undo itself, has left in the journal."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.errors import EngineError, LockedError
from kharness.host.locks import lock
from kharness.host.state import Journaled
from kharness.ops.data import is_data_back
from kharness.ops.freeze import thaw_abandoned
from kharness.ops.harness import Harness
from kharness.ops.journal import CUT_SHORT, end_undone, keep, undo
from kharness.ops.notify import notify
from kharness.ops.secrets import sweep_secrets
from kharness.plan import labels
from kharness.plan.operation import Operation, Phase, Released


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What became of an operation; `left` is what could not be done, each with what to do by hand.

    `news` says that nobody was told of that before: a timer tries again every few minutes.
    """

    operation: Operation
    kept: bool
    left: tuple[str, ...] = ()
    news: bool = True

    @property
    def released(self) -> Released:
        """What became of it, to be told as a release."""
        operation = self.operation
        return Released(
            name=operation.name,
            kind="broken" if self.left else "recovered",
            reasons=(str(self), *self.left),
            image=operation.image,
            previous=operation.live,
        )

    def __str__(self) -> str:
        done = "completed" if self.kept else "undone"
        how = f"cannot be {done} yet" if self.left else f"is {done}"
        return f"{self.what(self.operation)} {how}"

    @staticmethod
    def what(operation: Operation) -> str:
        """Return what an operation is called that is not over."""
        return f"a {operation.kind} that was cut short"


def recover(harness: Harness) -> tuple[Recovered, ...]:
    """Take up every operation that nobody works on, and let run what a dead session froze.

    Raises `StateError`, `EngineError`, and `HostError` where no lock can be had.
    """
    thaw_abandoned(harness)
    found: list[Recovered] = []
    for name in dict.fromkeys(entry.operation.name for entry in harness.state.operations()):
        before = len(found)
        try:
            with lock(harness.locks, f"release-{name}", timeout=0):
                found += recover_locked(harness, name)
        except LockedError as error:
            # Whoever began it is at it, or somebody else takes it up.
            harness.report(name, f"a release is under way: {error}")
        for recovered in found[before:]:
            if recovered.news:
                notify(harness, recovered.released)
    return tuple(found)


def recover_locked(harness: Harness, name: str) -> tuple[Recovered, ...]:
    """Take up a directory's operations; whoever calls holds its release lock."""
    found: list[Recovered] = []
    for entry in harness.state.operations(name):
        operation, kept = entry.operation, entry.phase is Phase.KEEP
        note = entry.note or CUT_SHORT
        left = keep(harness, operation) if kept else undo(harness, operation, note=note, crashed=True)
        recovered = Recovered(operation=operation, kept=kept, left=left, news=_is_news(entry, left))
        found.append(recovered)
        if recovered.news:
            harness.report(name, str(recovered))
            if left:
                harness.state.doubt(operation.id, "\n".join((note, *left)))
    if found and not any(recovered.left for recovered in found):
        sweep_secrets(harness, name)
    return tuple(found)


def settle(harness: Harness, name: str) -> None:
    """Let nothing of an earlier release be left before another one begins; raises `EngineError` where that fails.

    An old container that is there, under its name, and does not start any more is no reason: what begins replaces it.
    """
    for recovered in recover_locked(harness, name):
        if not recovered.left or recovered.kept:
            continue
        if not _only_stopped(harness, recovered.operation):
            said = f"{name}: an earlier release was cut short and cannot be undone yet"
            raise EngineError("\n".join((said, *recovered.left)))
        end_undone(harness, recovered.operation, note="\n".join((CUT_SHORT, *recovered.left)))


def _only_stopped(harness: Harness, operation: Operation) -> bool:
    former = operation.former
    if (
        former is None
        or not is_data_back(harness, operation)
        or harness.engine.containers(labels={labels.RELEASE: operation.id})
    ):
        return False
    found = harness.engine.container(former.name)
    live = harness.engine.image(operation.tags.live)
    return found is not None and found.id == former.id and (live.id if live else None) == operation.live


def _is_news(entry: Journaled, left: tuple[str, ...]) -> bool:
    return not left or any(each not in entry.note for each in left)

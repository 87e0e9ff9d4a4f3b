"""Finish or undo what a release that was killed, or could not undo itself, has left in the journal."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.errors import EngineError, LockedError
from kharness.host.locks import lock
from kharness.host.state.state import Journaled
from kharness.ops.harness import Harness
from kharness.ops.launch.secrets import sweep_secrets
from kharness.ops.project.identity import made_by
from kharness.ops.project.unfinished import all_unfinished, refuse_unfinished
from kharness.ops.release.data import is_data_back
from kharness.ops.release.notify import notify
from kharness.ops.release.transaction import CUT_SHORT, complete, end_undone, undo
from kharness.ops.volumes.freeze import thaw_abandoned
from kharness.plan.release.operation import Operation, Phase, Released


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What became of an operation; `left` is what could not be done, each with what to do by hand.

    `news` is False where that was reported before: a timer tries again every few minutes.
    """

    operation: Operation
    kept: bool
    left: tuple[str, ...] = ()
    news: bool = True

    @property
    def released(self) -> Released:
        """What became of it, as the end of a release."""
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
    """Finish or undo every operation whose process is gone, and thaw what a dead session froze.

    What a person began with a whole container is only named: the command that finishes it is the person's to type.

    Raises `StateError`, `EngineError`, and `HostError` where no lock can be had.
    """
    thaw_abandoned(harness)
    for name, work in all_unfinished(harness).items():
        harness.report(name, str(work))
    found: list[Recovered] = []
    for name in dict.fromkeys(entry.operation.name for entry in harness.state.operations()):
        before = len(found)
        try:
            with lock(harness.locks, f"release-{name}", timeout=0):
                found += recover_locked(harness, name)
        except LockedError as error:
            # Its own process works on it, or another one recovers it.
            harness.report(name, f"a release is under way: {error}")
        for recovered in found[before:]:
            if recovered.news:
                notify(harness, recovered.released)
    return tuple(found)


def recover_locked(harness: Harness, name: str) -> tuple[Recovered, ...]:
    """Finish or undo a directory's operations; the caller holds its release lock."""
    found: list[Recovered] = []
    for entry in harness.state.operations(name):
        operation, kept = entry.operation, entry.phase is Phase.KEEP
        note = entry.note or CUT_SHORT
        left = complete(harness, operation) if kept else undo(harness, operation, note=note, crashed=True)
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
    """Let nothing of an earlier release be left before another one begins.

    Raises `EngineError` where that fails, and `RefusedError` where the container is being retired or renamed.
    """
    refuse_unfinished(harness, name)
    settle_releases(harness, name)


def settle_releases(harness: Harness, name: str) -> None:
    """Let nothing of an earlier release be left; raises `EngineError` where that fails.

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
    if former is None or not is_data_back(harness, operation) or made_by(harness, operation):
        return False
    found = harness.production.runtime.container(former.name)
    live = harness.engine.image(operation.tags.live)
    return found is not None and found.id == former.id and (live.id if live else None) == operation.live


def _is_news(entry: Journaled, left: tuple[str, ...]) -> bool:
    return not left or any(each not in entry.note for each in left)

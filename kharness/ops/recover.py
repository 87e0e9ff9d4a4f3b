"""Finish or undo what a release that was killed, or could not undo itself, has left in the journal."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.errors import EngineError, HostError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.journal import CUT_SHORT, keep, undo
from kharness.ops.notify import notify
from kharness.plan.operation import Operation, Phase, Released

IN_FLIGHT = 0.5
"""Seconds; an engine goes on with a request whose sender is dead, and each takes a fraction of that, but for a stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What became of an operation; `left` is what could not be done, each with what to do by hand."""

    operation: Operation
    kept: bool
    left: tuple[str, ...] = ()

    @property
    def released(self) -> Released:
        """What became of it, to be told as a release."""
        operation = self.operation
        return Released(
            name=operation.name,
            kind="broken" if self.left and not self.kept else "recovered",
            reasons=(str(self), *self.left),
            image=operation.image,
            previous=operation.live,
        )

    def __str__(self) -> str:
        done = "completed" if self.kept else "undone"
        if self.left:
            done = f"cannot be {done} yet"
        return f"a {self.operation.kind} that was cut short is {done}"


def recover(harness: Harness) -> tuple[Recovered, ...]:
    """Take up every operation that nobody works on. Raises `StateError`."""
    found: list[Recovered] = []
    for name in dict.fromkeys(entry.operation.name for entry in harness.state.operations()):
        before = len(found)
        try:
            with lock(harness.locks, f"release-{name}", timeout=0):
                found += recover_locked(harness, name)
            for recovered in found[before:]:
                notify(harness, recovered.released)
        except HostError:
            # Whoever began it is at it, or somebody else takes it up.
            continue
    return tuple(found)


def recover_locked(harness: Harness, name: str) -> tuple[Recovered, ...]:
    """Take up a directory's operations; whoever calls holds its release lock."""
    found: list[Recovered] = []
    for entry in harness.state.operations(name):
        if entry.phase is Phase.KEEP:
            left = keep(harness, entry.operation)
            found.append(Recovered(operation=entry.operation, kept=True, left=left))
        else:
            left = undo(harness, entry.operation, note=entry.note or CUT_SHORT, in_flight=IN_FLIGHT)
            found.append(Recovered(operation=entry.operation, kept=False, left=left))
        harness.report(name, str(found[-1]))
    return tuple(found)


def settle(harness: Harness, name: str) -> None:
    """Let nothing of an earlier release be left before another one begins; raises `EngineError` where that fails."""
    for recovered in recover_locked(harness, name):
        if recovered.left and not recovered.kept:
            said = f"{name}: an earlier release was cut short and cannot be undone yet"
            raise EngineError("\n".join((said, *recovered.left)))

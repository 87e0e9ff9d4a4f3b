"""How a copy of a volume is made, and whether production is stopped meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.errors import UsageError
from kharness.settings.volumes import CopyStrategy, Freeze

PER_ENTRY = {CopyStrategy.REFLINK: 80e-6, CopyStrategy.REAL: 100e-6}
PER_BYTE = {CopyStrategy.REFLINK: 0.0, CopyStrategy.REAL: 1 / 400e6}
"""Seconds that a copy takes, of a slow disk rather than of a fast one: an estimate that is too long only means that
production is not made to stand still.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCase:
    """What is known before a volume is copied: `reflink` and `overlay` are why not, empty where it can be done.

    `users` are the names of running containers that mount the original, `kept` says that the instance may stay after
    its session.
    """

    target: str
    asked: CopyStrategy = CopyStrategy.AUTO
    reflink: str = ""
    overlay: str = ""
    users: tuple[str, ...] = ()
    kept: bool = False


def choose_strategy(case: CopyCase) -> CopyStrategy:
    """Return the cheapest way that is safe, or the one that was asked for; `UsageError` where that is impossible."""
    no_overlay = case.overlay or _unsafe(case)
    if case.asked is CopyStrategy.REFLINK and case.reflink:
        raise UsageError(f"volumes: {case.target}: test.strategy: 'reflink' is not possible: {case.reflink}")
    if case.asked is CopyStrategy.OVERLAY and no_overlay:
        raise UsageError(f"volumes: {case.target}: test.strategy: 'overlay' is not possible: {no_overlay}")
    if case.asked is not CopyStrategy.AUTO:
        return case.asked
    if not case.reflink:
        return CopyStrategy.REFLINK
    return CopyStrategy.REAL if no_overlay else CopyStrategy.OVERLAY


def _unsafe(case: CopyCase) -> str:
    # Writes to the lower directory of an overlay make what is seen in it undefined.
    if case.users:
        return f"{', '.join(case.users)} runs and mounts the original, which must not change under an overlay"
    return "an instance that is kept outlives what is known of the original" if case.kept else ""


def estimate(strategy: CopyStrategy, *, entries: int, size: int) -> float:
    """Return about how many seconds a copy of so many entries and bytes takes."""
    if strategy not in PER_ENTRY:
        return 0.0
    return entries * PER_ENTRY[strategy] + size * PER_BYTE[strategy]


def choose_freeze(how: Freeze, *, seconds: float, limit: float) -> tuple[Freeze, str]:
    """Return whether production stands still for a copy that takes so long, and what is reported about it."""
    if how is Freeze.NONE:
        return Freeze.NONE, "production went on meanwhile (test.freeze: none)"
    if seconds > limit:
        why = f"because the copy may take {seconds:.1f} s and test.max_freeze is {limit:g} s"
        return Freeze.NONE, f"production went on meanwhile, {why}"
    return how, ""

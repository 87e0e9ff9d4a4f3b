"""What becomes of what a check found: a failure, a report, or nothing because it is waived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from kharness.plan.modes import Mode
from kharness.plan.policy.check import Check
from kharness.plan.untouched import shown
from kharness.settings.policy import Policy, Waiver

NONE: Mapping[str, Waiver] = MappingProxyType({})


class Ruling(StrEnum):
    """How a check ended."""

    CLEAN = "clean"
    FAILED = "failed"
    """Found, and it counts in this mode."""
    REPORTED = "reported"
    """Found, and only said in this mode."""
    WAIVED = "waived"
    UNUSED = "unused"
    """Nothing was found, and there is a waiver for it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a check ended, with what it found, and what is to be said of its waiver."""

    ruling: Ruling
    findings: tuple[str, ...] = ()
    note: str = ""


def judge(
    check: Check[Any],
    findings: Iterable[str],
    policy: Policy,
    *,
    mode: Mode,
    today: date,
    of_host: Mapping[str, Waiver] = NONE,
) -> Judgement:
    """Decide what counts. `of_host` are waivers of the host, for what is not the container's own to mend.

    A check that does not gate fails in production alone, where its failure stands in nobody's way. So does one whose
    waiver is over: the calendar must not keep a mended service from being launched.
    """
    # A path may hold what a terminal would obey.
    found = tuple(dict.fromkeys(map(shown, findings)))
    own = policy.waive.get(check.id)
    if not found:
        unused = Judgement(Ruling.UNUSED, note=f"policy.waive.{check.id} is not needed any more: remove it")
        return unused if own else Judgement(Ruling.CLEAN)
    waiver = own or (None if check.gates else of_host.get(check.id))
    if waiver and not waiver.expired(today):
        until = f", until {waiver.until}" if waiver.until else ""
        return Judgement(Ruling.WAIVED, found, f"waived{until}: {waiver.reason}")
    over = f"its waiver ended on {waiver.until}: {waiver.reason}" if waiver else ""
    counts = mode is Mode.IN_PROD or (check.gates and not waiver)
    return Judgement(Ruling.FAILED if counts else Ruling.REPORTED, found, over)

"""What becomes of what a check found: a failure, a report, or nothing because it is waived."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from kharness.plan.modes import Mode
from kharness.plan.policy.check import Check
from kharness.settings.policy import Policy


class Standing(StrEnum):
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

    standing: Standing
    findings: tuple[str, ...] = ()
    note: str = ""


def judge(check: Check[Any], findings: Iterable[str], policy: Policy, *, mode: Mode, today: date) -> Judgement:
    """Decide what counts.

    A check that does not gate fails in production alone, where its failure stands in nobody's way. So does one whose
    waiver is over: the calendar must not keep a mended service from being launched.
    """
    found = tuple(dict.fromkeys(findings))
    waiver = policy.waive.get(check.id)
    if not found:
        unused = Judgement(Standing.UNUSED, note=f"policy.waive.{check.id} is not needed any more: remove it")
        return unused if waiver else Judgement(Standing.CLEAN)
    if waiver and not waiver.expired(today):
        until = f", until {waiver.until}" if waiver.until else ""
        return Judgement(Standing.WAIVED, found, f"waived{until}: {waiver.reason}")
    over = f"its waiver ended on {waiver.until}: {waiver.reason}" if waiver else ""
    counts = mode is Mode.IN_PROD or (check.gates and not waiver)
    return Judgement(Standing.FAILED if counts else Standing.REPORTED, found, over)


def told(check: Check[Any], judgement: Judgement, *, settings_file: str) -> str:
    """Return what a person is told who has to mend it."""
    lines = [check.name, *(f"  found: {each}" for each in judgement.findings)]
    if judgement.note:
        lines.append(f"  {judgement.note}")
    lines += [
        f"  why it matters: {check.reason}",
        f"  mend it: {check.mend}",
        f"  source: {check.source}",
        f"  or say in {settings_file} why it need not hold: policy: {{waive: {{{check.id}: {{reason: ...}}}}}}",
    ]
    return "\n".join(lines)

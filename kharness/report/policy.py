"""Checks, as a table for people, a page for one of them, values for programs, and what one says that fails."""

from __future__ import annotations

from typing import Any

from kharness.plan.modes import Mode
from kharness.plan.policy.check import EVERYWHERE, Check
from kharness.plan.policy.verdict import Judgement

COLUMNS = ("id", "a container ...", "profile", "gates")


def check_row(check: Check[Any]) -> tuple[str, ...]:
    """Return a row of the table."""
    return check.id, check.title, "baseline" if check.baseline else "strict", "yes" if check.gates else "no"


def check_value(check: Check[Any]) -> dict[str, object]:
    """Return what a program is told."""
    return {
        "id": check.id,
        "title": check.title,
        "gates": check.gates,
        "profiles": ["baseline", "strict"] if check.baseline else ["strict"],
        "modes": sorted(check.modes),
        "reason": check.reason,
        "mend": check.mend,
        "source": check.source,
    }


def explained(check: Check[Any]) -> str:
    """Return a page about a check."""
    gates = (
        "What it finds refuses a promotion: image and settings determine it."
        if check.gates
        else "What it finds is said before a promotion and fails in production: it depends on the host or the calendar."
    )
    lines = [
        check.name,
        "",
        f"Why it matters:  {check.reason}",
        f"How to mend it:  {check.mend}",
        f"Source:          {check.source}",
        f"Profile:         {profiles(check)}",
        f"Asked:           {modes(check)}",
        f"What follows:    {gates}",
        "",
        "Where it need not hold, settings.yaml says why, and until when if it is only for a while:",
        f"    policy: {{waive: {{{check.id}: {{reason: ..., until: 2027-03-01}}}}}}",
    ]
    return "\n".join(lines)


def failure(check: Check[Any], judgement: Judgement, *, settings_file: str) -> str:
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


def profiles(check: Check[Any]) -> str:
    """Say in which profiles it is."""
    return "baseline, strict" if check.baseline else "strict"


def modes(check: Check[Any]) -> str:
    """Say in which modes it is asked."""
    return "always" if check.modes == EVERYWHERE else ", ".join(mode.value for mode in Mode if mode in check.modes)

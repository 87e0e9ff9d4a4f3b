"""Checks as a table, as a page, as values for programs, and the text of a failure."""

from __future__ import annotations

from typing import Any

from kharness.plan.checks.check import EVERYWHERE, Check, Judgement
from kharness.plan.session.modes import Mode
from kharness.report.table import Layout

CHECKS = Layout(("id", "a container ...", "profile", "gates"), folded=frozenset({"a container ..."}))


def check_row(check: Check[Any]) -> tuple[str, ...]:
    """Return a row of the table."""
    return check.id, check.title, "baseline" if check.baseline else "strict", "yes" if check.gates else "no"


def check_value(check: Check[Any]) -> dict[str, object]:
    """Return a check as plain values."""
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
    lines = [
        check.name,
        "",
        f"Why it matters:  {check.reason}",
        f"How to mend it:  {check.mend}",
        f"Source:          {check.source}",
        f"Profile:         {profiles(check)}",
        f"Modes:           {modes(check)}",
        f"Findings:        {_consequence(check)}",
        "",
        *_how_to_excuse(check),
    ]
    return "\n".join(lines)


def failure(check: Check[Any], judgement: Judgement, *, settings_file: str) -> str:
    """Return the text of a failed check: its findings, why they matter, how to mend or waive them."""
    lines = [check.name, *(f"  found: {each}" for each in judgement.findings)]
    if judgement.note:
        lines.append(f"  {judgement.note}")
    lines += [
        f"  why it matters: {check.reason}",
        f"  mend it: {check.mend}",
        f"  source: {check.source}",
        _excuse(check, settings_file),
    ]
    return "\n".join(lines)


def _consequence(check: Check[Any]) -> str:
    if check.gates:
        return "They refuse a promotion: image and settings determine them."
    if check.of_host:
        return (
            "They are reported once for the host, and fail with --in-prod only where the host's configuration "
            f'enforces the check: enforce = ["{check.id}"]'
        )
    return "They are reported before a promotion and fail in production: they depend on the host or the calendar."


def _how_to_excuse(check: Check[Any]) -> tuple[str, str]:
    if check.of_host:
        return (
            "To waive it, give a reason in the host's configuration, and a last day if the waiver is temporary:",
            f'    waive.{check.id} = {{ reason = "...", until = 2027-03-01 }}',
        )
    return (
        "To waive it, give a reason in settings.yaml, and a last day if the waiver is temporary:",
        f"    policy: {{waive: {{{check.id}: {{reason: ..., until: 2027-03-01}}}}}}",
    )


def _excuse(check: Check[Any], settings_file: str) -> str:
    if check.of_host:
        return f"  or waive it in the host's configuration: waive.{check.id} = {{ reason = ... }}"
    return f"  or waive it in {settings_file}: policy: {{waive: {{{check.id}: {{reason: ...}}}}}}"


def profiles(check: Check[Any]) -> str:
    """Return the profiles that have it."""
    return "baseline, strict" if check.baseline else "strict"


def modes(check: Check[Any]) -> str:
    """Return the modes in which it runs."""
    return "all" if check.modes == EVERYWHERE else ", ".join(mode.value for mode in Mode if mode in check.modes)

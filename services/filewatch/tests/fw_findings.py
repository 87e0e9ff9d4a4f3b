"""Findings and scans made by hand."""

from __future__ import annotations

from filewatch.findings import Finding, Scan, State
from filewatch.rules import parse_rule


def finding(path: str, state: State = State.OK, detail: str = "", *, check: object = 5) -> Finding:
    """Return a finding of an exact path's rule."""
    return Finding(path=path, rule=parse_rule("/rule", check), state=state, detail=detail)


def scan(*findings: Finding) -> Scan:
    """Return a scan of the year 2001."""
    return Scan(findings=findings, began_at=1_000_000_000.0, took=0.25)

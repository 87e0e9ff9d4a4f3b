"""What is worth a line in the log: what has changed from one scan to the next, not what has stayed."""

from __future__ import annotations

from collections.abc import Iterator

from filewatch.findings import Finding, Scan
from filewatch.names import printable

MOST = 100
"""Lines for one scan: a full disk or a lost mount changes every file at once."""


def changes(before: Scan | None, after: Scan) -> tuple[str, ...]:
    """Return a line for each file whose state is another one than before, at most `MOST` and one that counts the rest.

    What was good and is gone, or is new and good, is no line; on the first scan only what is bad is one.
    """
    lines = tuple(_lines(before, after))
    return lines if len(lines) <= MOST else (*lines[:MOST], f"... and {len(lines) - MOST} more changes")


def describe(finding: Finding) -> str:
    """Return a finding as one line: path, state, and detail if there is any."""
    return ": ".join(filter(None, (printable(finding.path), finding.state.value, printable(finding.detail))))


def reasons(scan: Scan) -> tuple[str, ...]:
    """Return a line for each file that is not as it should be."""
    return tuple(describe(finding) for finding in scan.findings if not finding.state.good)


def _lines(before: Scan | None, after: Scan) -> Iterator[str]:
    old = {finding.key: finding for finding in before.findings} if before else {}
    for finding in after.findings:
        was = old.pop(finding.key, None)
        if was is None:
            if not finding.state.good:
                yield describe(finding)
        elif was.state is not finding.state:
            yield f"{describe(finding)} (was {was.state.value})"
    for gone in old.values():
        if not gone.state.good:
            yield f"{printable(gone.path)}: no longer matched (was {gone.state.value})"

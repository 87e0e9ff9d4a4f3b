"""The one rule by which in-production tests in a process of their own show that production works.

Its exit status alone shows nothing: a test may end the process with 0, and so may a hook. The process records what it
collected, each report as it comes, and that its session came to an end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kharness.plan.gate.refusals import TestOutcome, add_report, doubts_in_production

RECORD = "kharness_record"
"""The key that tells our records from pytest's reports."""
COLLECTED, FINISHED = "collected", "finished"
NO_TESTS = 5
"""pytest's exit status when no test was selected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a test process recorded: how many tests it should run, None where it never came to know that.

    `outcomes` are by node id, `errors` are those of collection, `finished` where its session came to its end.
    """

    expected: int | None = None
    errors: tuple[str, ...] = ()
    outcomes: Mapping[str, TestOutcome] = field(default_factory=dict)
    finished: bool = False


def collected_record(expected: int, errors: Iterable[str]) -> dict[str, Any]:
    """Return the record of a collection: how many tests shall run, and what could not be collected."""
    return {RECORD: COLLECTED, "expected": expected, "errors": [*errors]}


def finished_record() -> dict[str, Any]:
    """Return the record of a session that came to its end."""
    return {RECORD: FINISHED}


def recorded(records: Iterable[Mapping[str, Any]]) -> Recorded:
    """Read the records of a test process, among them pytest's own serialized reports."""
    expected: int | None = None
    errors: tuple[str, ...] = ()
    outcomes: dict[str, TestOutcome] = {}
    finished = False
    for record in records:
        if record.get(RECORD) == COLLECTED:
            expected, errors = record["expected"], tuple(record["errors"])
        elif record.get(RECORD) == FINISHED:
            finished = True
        elif record.get("$report_type") == "TestReport":
            add_report(
                outcomes,
                record["nodeid"],
                outcome=record["outcome"],
                when=record.get("when"),
                wasxfail=record.get("wasxfail"),
            )
    return Recorded(expected=expected, errors=errors, outcomes=outcomes, finished=finished)


def doubts(found: Recorded, *, status: int, tail: str, expected: int = 0, skips: Iterable[str] = ()) -> tuple[str, ...]:
    """Return why the in-production tests do not show that production works; empty means that they do.

    `expected` are the tests that the session which asks knows of, `tail` is the end of the process's output. A
    directory without such tests shows nothing, and nothing speaks against it.
    """
    bad = {TestOutcome.FAILED, TestOutcome.ERROR}
    if failed := [nodeid for nodeid, outcome in found.outcomes.items() if outcome in bad]:
        return tuple(f"{nodeid} failed in production" for nodeid in failed)
    if found.errors:
        return tuple(f"collection failed in production: {error}" for error in found.errors)
    said = f"the in-production tests ended with status {status}"
    if status not in {0, NO_TESTS}:
        return (f"{said}:\n{tail}",)
    if found.expected is None or not found.finished:
        return (f"{said} before they were over:\n{tail}",)
    wanted = max(expected, found.expected)
    return doubts_in_production(found.outcomes, expected=wanted, skips=skips) if wanted else ()

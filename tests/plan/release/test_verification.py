"""In-production tests show that production works by what was recorded of them, never by an exit status alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from kharness.plan.release.verification import collected_record, doubts, finished_record, recorded

END = finished_record()
NONE = "no test passed in production"
TEST = "web/test_web.py::test_a"
Records = Iterable[dict[str, Any]]


def collected(expected: int, *errors: str) -> dict[str, Any]:
    return collected_record(expected, errors)


def report(outcome: str, when: str = "call", *, test: str = "test_a", wasxfail: str | None = None) -> dict[str, Any]:
    more = {} if wasxfail is None else {"wasxfail": wasxfail}
    nodeid = f"web/test_web.py::{test}"
    return {"$report_type": "TestReport", "nodeid": nodeid, "outcome": outcome, "when": when, **more}


PASSED = (report("passed", "setup"), report("passed"), report("passed", "teardown"))


@pytest.mark.parametrize(
    ("records", "status", "expected", "reasons"),
    [
        ((collected(1), *PASSED, END), 0, 1, ()),
        ((collected(1), *PASSED, END), 0, 0, ()),
        ((collected(0), END), 5, 0, ()),
        ((collected(1), report("rerun"), *PASSED, END), 0, 1, ()),
        ((), 0, 1, ("the in-production tests ended with status 0 before they were over:\nTAIL",)),
        ((), 5, 0, ("the in-production tests ended with status 5 before they were over:\nTAIL",)),
        ((collected(1),), 0, 1, ("the in-production tests ended with status 0 before they were over:\nTAIL",)),
        # It ended in its last test's teardown.
        ((collected(1), *PASSED), 0, 1, ("the in-production tests ended with status 0 before they were over:\nTAIL",)),
        ((collected(2), *PASSED, END), 0, 0, ("only 1 of 2 tests marked in_prod ended in production",)),
        # What the session that asks has seen, and this one has not.
        ((collected(1), *PASSED, END), 0, 2, ("only 1 of 2 tests marked in_prod ended in production",)),
        ((collected(1), report("failed"), END), 0, 1, (f"{TEST} failed in production",)),
        ((collected(1), *PASSED[:2], report("failed", "teardown"), END), 0, 1, (f"{TEST} failed in production",)),
        ((collected(1, "b.py: bad"), *PASSED, END), 0, 1, ("collection failed in production: b.py: bad",)),
        ((collected(1), *PASSED, END), 3, 1, ("the in-production tests ended with status 3:\nTAIL",)),
        (
            (collected(1), report("skipped", "setup"), END),
            0,
            1,
            (
                "1 test skipped in production, and gate.skips does not allow it: test_web.py::test_a",
                NONE,
            ),
        ),
        ((collected(1), report("skipped", wasxfail="later"), END), 0, 1, (NONE,)),
        ((collected(1), END), 5, 0, ("only 0 of 1 test marked in_prod ended in production", NONE)),
    ],
)
def test_only_tests_that_passed_count(records: Records, status: int, expected: int, reasons: tuple[str, ...]) -> None:
    assert doubts(recorded(records), status=status, tail="TAIL", expected=expected) == reasons


def test_a_skip_that_is_allowed_is_none() -> None:
    records = (collected(2), *PASSED, report("skipped", test="test_b"), END)
    assert doubts(recorded(records), status=0, tail="", skips=["test_b"]) == ()

"""How each test of each container ended, out of the reports of its phases, wherever it ran."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from kharness.plan.gate import GOOD, Outcome, short_name
from kharness.plugin.items import REPORT_ID, REPORT_NAME

WEIGHT = {Outcome.SKIPPED: 1, Outcome.FAILED: 2, Outcome.ERROR: 3}
"""A test is as bad as the worst of its reports: it passes as a whole where a part of it was skipped."""
RERUN = "rerun"
"""What pytest-rerunfailures calls the outcome of a try that is not the last."""
NOT_RUN = "[NOTRUN]"
"""How pytest's `xfail(run=False)`, and an empty parameter set, say that nothing was run."""


@dataclass
class Outcomes:
    """Outcomes by container and node id; `flaky` has how often a test was run again before it ended."""

    by_name: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    on_node: dict[str, set[str]] = field(default_factory=dict)
    flaky: dict[str, dict[str, int]] = field(default_factory=dict)
    retrying: set[str] = field(default_factory=set)

    def expect(self, names: Iterable[str]) -> None:
        """Count the tests that will run; a name once for each."""
        for name in names:
            self.left[name] = self.left.get(name, 0) + 1

    def add(self, report: pytest.TestReport) -> str | None:
        """Note a report; returns the container whose last test it ended, if it did."""
        name: str | None = getattr(report, REPORT_NAME, None)
        if name is None:
            return None
        node = getattr(report, "node", None)
        if node is not None:
            self.on_node.setdefault(node.gateway.id, set()).add(name)
        outcomes = self.by_name.setdefault(name, {})
        outcome = _outcome(report)
        test = getattr(report, REPORT_ID, report.nodeid)
        if str(report.outcome) == RERUN:
            again = self.flaky.setdefault(name, {})
            again[test] = again.get(test, 0) + 1
            # What the tries before the last one said does not count, and their end is not the test's.
            outcomes.pop(test, None)
            self.retrying.add(test)
        if outcome is not None and WEIGHT.get(outcomes.get(test, outcome), 0) <= WEIGHT.get(outcome, 0):
            outcomes[test] = outcome
        if report.when == "teardown" and test in self.retrying:
            self.retrying.discard(test)
        elif report.when == "teardown":
            self.left[name] = self.left.get(name, 0) - 1
            if self.left[name] == 0:
                return name
        return None

    def needed_more_tries(self, name: str) -> tuple[str, ...]:
        """Return the tests that passed, but not at the first try: `test_web.py::test_it (2 tries)`."""
        ended = self.by_name.get(name, {})
        again = self.flaky.get(name, {})
        good = sorted(test for test in again if ended.get(test) in GOOD)
        return tuple(f"{short_name(test)} ({again[test] + 1} tries)" for test in good)

    def failed(self, name: str) -> bool:
        """Whether any test of it failed."""
        return any(outcome in {Outcome.FAILED, Outcome.ERROR} for outcome in self.by_name.get(name, {}).values())


def _outcome(report: pytest.TestReport) -> Outcome | None:
    expected_failure = hasattr(report, "wasxfail") and NOT_RUN not in str(report.wasxfail)
    match report.outcome, report.when:
        case "failed", "call":
            return Outcome.FAILED
        case "failed", _:
            return Outcome.ERROR
        case "skipped", _:
            return Outcome.XFAILED if expected_failure else Outcome.SKIPPED
        case "passed", "call":
            return Outcome.XPASSED if expected_failure else Outcome.PASSED
        case _:
            # A passed setup or teardown proves nothing, and a rerun is not the end.
            return None

"""The gate: from the facts about a service that a session tested to the reasons that forbid its promotion.

Fail closed: an unknown fact counts against promotion. Each function returns reasons, and an empty tuple means yes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

SHOWN, TOLD = 3, 10
"""How many test names a reason lists, and how many a remark."""


class TestOutcome(StrEnum):
    """How one test ended, over its three phases."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"


GOOD = {TestOutcome.PASSED, TestOutcome.XPASSED}
"""Outcomes that are evidence. pytest reports a strict xpass as failed, so any other xpass is allowed by its author. An
expected failure forbids nothing and shows nothing.
"""

NO_TESTS = "no test vouches for it, only checks and its health: gate.tests is none"
NOT_RUN = "[NOTRUN]"
"""How pytest's `xfail(run=False)`, and an empty parameter set, say that nothing was run."""
ENDS = frozenset({"passed", "failed", "skipped"})
"""What pytest calls outcomes. Any other is that of a try that is not the last: `rerun` of pytest-rerunfailures."""
WEIGHT = {TestOutcome.SKIPPED: 1, TestOutcome.FAILED: 2, TestOutcome.ERROR: 3}
"""A test is as bad as the worst of its reports: it passes as a whole where a part of it was skipped."""


def add_report(
    outcomes: dict[str, TestOutcome], test: str, *, outcome: str, when: str | None, wasxfail: str | None
) -> bool:
    """Add one of pytest's reports to the outcomes; False where it is of a try that is not the last."""
    if outcome not in ENDS:
        outcomes.pop(test, None)
    elif (found := _outcome(outcome, when, wasxfail)) is not None:
        outcomes[test] = max(found, outcomes.get(test, found), key=lambda each: WEIGHT.get(each, 0))
    return outcome in ENDS


def _outcome(outcome: str, when: str | None, wasxfail: str | None) -> TestOutcome | None:
    # A passed setup or teardown proves nothing.
    expected_failure = wasxfail is not None and NOT_RUN not in wasxfail
    match outcome, when:
        case "failed", "call":
            return TestOutcome.FAILED
        case "failed", _:
            return TestOutcome.ERROR
        case "skipped", _:
            return TestOutcome.XFAILED if expected_failure else TestOutcome.SKIPPED
        case "passed", "call":
            return TestOutcome.XPASSED if expected_failure else TestOutcome.PASSED
        case _:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A test as it was collected, before any hook could remove it."""

    nodeid: str
    file: str
    marks: frozenset[str] = frozenset()
    check: bool = False
    """Whether it is a check of the settings: it forbids promotion when it fails, and is no evidence when it passes."""

    @property
    def name(self) -> str:
        """The name below the container directory, wherever pytest's root is: `test_web.py::test_it[1]`."""
        return f"{self.file}::{self.nodeid.partition('::')[2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """The facts about one service at the end of a session.

    `expected` are the tests that run in this session's mode, `other_mode` the files whose tests all belong to other
    modes, `files` the test files on disk. `uncollected` are tests that pytest's own conventions would collect, and that
    the settings `choices` of the ini file, or a hook, left out. `partial` says how the selection was narrowed, each
    with its place. `unrun` are the tests that no mode of this release runs, `gone` those that the last release had,
    `flaky` those that passed at a later try. `end` says why the test instance was not well after its last test.
    `exclude`, `skips` and `refuse` are the container's `gate:` settings; `untested_ok` says that `gate.tests` is none.
    """

    name: str
    image: str | None
    files: frozenset[str] = frozenset()
    expected: tuple[Collected, ...] = ()
    other_mode: frozenset[str] = frozenset()
    uncollected: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    outcomes: Mapping[str, TestOutcome] = field(default_factory=dict)
    unrun: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    collection_errors: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    crashes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    launch_error: str | None = None
    end: str = ""
    exclude: frozenset[str] = frozenset()
    skips: frozenset[str] = frozenset()
    refuse: frozenset[str] = frozenset()
    untested_ok: bool = False
    known_good: bool = False

    @property
    def untested(self) -> bool:
        """Whether it has no test that runs in this mode, and `gate.tests` allows it: checks and health decide alone."""
        return self.untested_ok and all(item.check for item in self.expected)

    @property
    def tests(self) -> Mapping[str, TestOutcome]:
        """The outcomes of the tests, without those of checks."""
        checks = {item.nodeid for item in self.expected if item.check}
        return {nodeid: outcome for nodeid, outcome in self.outcomes.items() if nodeid not in checks}


def refusals(facts: GateFacts) -> tuple[str, ...]:
    """Return every reason against promoting what this session tested."""
    if facts.image is None:
        failed = [f"collection failed: {error}" for error in facts.collection_errors]
        if facts.launch_error:
            failed.append(facts.launch_error)
        return tuple(failed or _unselected(facts))
    if facts.known_good:
        return (*facts.changes, *_refused_remarks(facts))
    return (*_reasons(facts), *_refused_remarks(facts))


def remarks(facts: GateFacts) -> Mapping[str, str]:
    """Return what a release must report although it does not forbid it, by the `gate:` key that would."""
    if facts.image is None or facts.launch_error:
        return {}
    expected_failures = [nodeid for nodeid, outcome in facts.tests.items() if outcome is TestOutcome.XFAILED]
    found = {
        "xfail": (expected_failures, "failed as expected"),
        "flaky": (facts.flaky, "passed, but not at the first try"),
        "unrun": (facts.unrun, "marked for another mode did not run"),
        # A narrower selection is refused anyway, with the tests that it left out.
        "fewer": (() if _collects_less(facts) else facts.gone, "of the last release no longer there"),
    }
    said = {
        key: f"{key}: {_count(tests)} {what}: {_names(tests, most=TOLD)}"
        for key, (tests, what) in found.items()
        if tests
    }
    return {"tests": NO_TESTS, **said} if facts.untested else said


def _refused_remarks(facts: GateFacts) -> Iterator[str]:
    for key, text in remarks(facts).items():
        if key in facts.refuse:
            yield f"{text} (refused by gate.{key})"


def _collects_less(facts: GateFacts) -> bool:
    return bool(facts.collection_errors) or any(not text.startswith(("-k ", "-m ")) for text in facts.partial)


def failures_in_production(facts: GateFacts) -> tuple[str, ...]:
    """Return what is wrong with production, or with the tests that looked at it. Tests that did not run are none."""
    found = [facts.launch_error] if facts.launch_error else []
    return (*found, *_collection(facts), *_failures(facts))


def doubts_in_production(
    outcomes: Mapping[str, TestOutcome], *, expected: int, skips: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return why the in-production tests, of which none failed, do not show that production works.

    They are counted, not named: outside the root directory a node id depends on what was typed.
    """
    found = []
    skipped = [
        nodeid for nodeid, outcome in outcomes.items() if outcome is TestOutcome.SKIPPED and not _allowed(nodeid, skips)
    ]
    if len(outcomes) < expected:
        found.append(f"only {len(outcomes)} of {_number(expected)} marked in_prod ended in production")
    if skipped:
        found.append(f"{_count(skipped)} skipped in production, and gate.skips does not allow it: {_names(skipped)}")
    if not any(outcome in GOOD for outcome in outcomes.values()):
        found.append("no test passed in production")
    return tuple(found)


def _reasons(facts: GateFacts) -> Iterator[str]:
    if facts.launch_error:
        yield facts.launch_error
    if facts.end:
        yield f"after its last test the test instance {facts.end}"
    yield from _collection(facts)
    yield from _incomplete(facts)
    yield from _failures(facts)
    tests = facts.tests
    skipped = [nodeid for nodeid in _ended(tests, TestOutcome.SKIPPED) if not _allowed(nodeid, facts.skips)]
    if skipped:
        yield f"{_count(skipped)} skipped, and gate.skips does not allow it: {_names(skipped)}"
    if not facts.untested and not any(outcome in GOOD for outcome in tests.values()):
        yield "no test passed" if tests else "no test ran"
    yield from facts.changes


def _collection(facts: GateFacts) -> Iterator[str]:
    yield from (f"collection failed: {error}" for error in facts.collection_errors)
    yield from (f"a test worker crashed: {crash}" for crash in facts.crashes)


def _failures(facts: GateFacts) -> Iterator[str]:
    tests = facts.tests
    for outcome, verb in ((TestOutcome.FAILED, "failed"), (TestOutcome.ERROR, "had errors")):
        if found := _ended(tests, outcome):
            yield f"{_count(found)} {verb}: {_names(found)}"
    if not facts.launch_error:
        # A check's name says what is wrong. Without a launch, no check could run.
        yield from (
            f"the check {'was skipped' if outcome is TestOutcome.SKIPPED else 'failed'}: {nodeid.rpartition('::')[2]}"
            for nodeid, outcome in facts.outcomes.items()
            if nodeid not in tests and outcome is not TestOutcome.PASSED
        )


def _ended(tests: Mapping[str, TestOutcome], outcome: TestOutcome) -> list[str]:
    return [nodeid for nodeid, ended in tests.items() if ended is outcome]


def _unselected(facts: GateFacts) -> Iterator[str]:
    yield "no image was built" if facts.expected else "it has no test that runs in this mode"
    yield from _incomplete(facts)


def _incomplete(facts: GateFacts) -> Iterator[str]:
    covered = {test.file for test in facts.expected} | facts.other_mode
    unseen = sorted(facts.files - covered)
    # gate.exclude is for the marks of tests: a check is waived by name, with a reason.
    due = (test for test in facts.expected if test.check or not test.marks & facts.exclude)
    left = [test for test in due if test.nodeid not in facts.outcomes]
    unrun = [test.nodeid for test in left if not test.check]
    unlooked = [test.nodeid.rpartition("::")[2] for test in left if test.check]
    ids = [test.nodeid for test in facts.expected]
    if twice := sorted(nodeid for nodeid, count in Counter(ids).items() if count > 1):
        yield f"tests share a node id, and cannot be told apart: {_names(twice)}"
    cause = f" ({'; '.join(facts.choices)})" if facts.choices else ""
    if unseen:
        yield f"no test was collected from {', '.join(unseen)}{cause}"
    if lost := [name for name in facts.uncollected if name.partition("::")[0] not in unseen]:
        yield f"{_count(lost)} not collected: {_names(lost)}{cause}"
    if unrun:
        yield f"{_count(unrun)} not run: {_names(unrun)}"
    if unlooked:
        yield f"{_number(len(unlooked), 'check')} not run: {_names(unlooked)}"
    narrowed = [text for text in facts.partial if not text.startswith("-m ")]
    if unseen or left:
        narrowed = list(facts.partial)
    yield from (f"the selection was partial: {text}" for text in narrowed)


def _allowed(nodeid: str, patterns: Iterable[str]) -> bool:
    test = nodeid.partition("[")[0].rpartition("::")[2]
    return any(pattern in {test, nodeid} or nodeid.endswith(f"/{pattern}") for pattern in patterns)


def _count(found: Sequence[str]) -> str:
    return _number(len(found))


def _number(count: int, what: str = "test") -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def short_name(nodeid: str) -> str:
    """Return a node id without the folders of its file; a slash after that is a parameter's."""
    return re.sub(r"^[^:\[]*/", "", nodeid)


def _names(found: Sequence[str], *, most: int = SHOWN) -> str:
    short = [short_name(nodeid) for nodeid in found]
    more = f" and {len(short) - most} more" if len(short) > most else ""
    return ", ".join(short[:most]) + more

"""The gate: from what a session saw of a container directory to the reasons that forbid its promotion.

Fail closed: what is not known counts against promotion. Each function returns reasons, and an empty tuple means yes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

SHOWN = 3
"""How many test names a reason lists."""


class Outcome(StrEnum):
    """How one test ended, over its three phases."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"


GOOD = {Outcome.PASSED, Outcome.XPASSED}
"""What is evidence. A strict xpass is reported as failed by pytest itself, so what is left is allowed by its author;
an expected failure forbids nothing and shows nothing.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A test as it was collected, before any hook could remove it."""

    nodeid: str
    file: str
    marks: frozenset[str] = frozenset()
    check: bool = False
    """Whether it is a check of the settings: it stands in the way when it fails, and shows nothing when it passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """What a session knows of one container directory when it ends.

    `expected` are the tests that run in this session's mode, `other_mode` the files whose tests all belong to other
    modes, `files` the test files on disk. `partial` says how the selection was narrowed, each with its place.
    `exclude` and `skips` are the container's `gate:` settings.
    """

    name: str
    image: str | None
    files: frozenset[str] = frozenset()
    expected: tuple[Collected, ...] = ()
    other_mode: frozenset[str] = frozenset()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    collection_errors: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    crashes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    launch_error: str | None = None
    exclude: frozenset[str] = frozenset()
    skips: frozenset[str] = frozenset()
    known_good: bool = False
    interrupted: bool = False

    @property
    def tests(self) -> Mapping[str, Outcome]:
        """How the tests ended: all that is not a check."""
        checks = {item.nodeid for item in self.expected if item.check}
        return {nodeid: outcome for nodeid, outcome in self.outcomes.items() if nodeid not in checks}


def refusals(facts: GateFacts) -> tuple[str, ...]:
    """Return every reason against promoting what this session tested."""
    if facts.interrupted:
        return ("the session was interrupted",)
    if facts.image is None:
        failed = [f"collection failed: {error}" for error in facts.collection_errors]
        if facts.launch_error:
            failed.append(facts.launch_error)
        return tuple(failed or _unselected(facts))
    if facts.known_good:
        return facts.changes
    return tuple(_reasons(facts))


def refused_bases(name: str, bases: Mapping[str, Iterable[str]], refused: Iterable[str]) -> tuple[str, ...]:
    """Return the reasons that follow from the bases built in the same session: none of them may be refused."""
    bad = set(refused)
    return tuple(f"its base {base} was refused" for base in sorted(bases.get(name, ())) if base in bad)


def doubts_in_production(
    outcomes: Mapping[str, Outcome], *, expected: int, skips: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return why the in-production tests, of which none failed, do not show that production works.

    They are counted, not named: outside the root directory a node id depends on what was typed.
    """
    found = []
    skipped = [
        nodeid for nodeid, outcome in outcomes.items() if outcome is Outcome.SKIPPED and not _allowed(nodeid, skips)
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
    yield from (f"collection failed: {error}" for error in facts.collection_errors)
    yield from (f"a test worker crashed: {crash}" for crash in facts.crashes)
    yield from _incomplete(facts)
    tests = facts.tests
    by_outcome: dict[Outcome, list[str]] = {}
    for nodeid, outcome in tests.items():
        by_outcome.setdefault(outcome, []).append(nodeid)
    for outcome, verb in ((Outcome.FAILED, "failed"), (Outcome.ERROR, "had errors")):
        if found := by_outcome.get(outcome):
            yield f"{_count(found)} {verb}: {_names(found)}"
    if not facts.launch_error:
        # Each by its name, which says what is wrong. Where nothing was launched, nothing could be looked at.
        yield from (
            f"the check {'was skipped' if outcome is Outcome.SKIPPED else 'failed'}: {nodeid.rpartition('::')[2]}"
            for nodeid, outcome in facts.outcomes.items()
            if nodeid not in tests and outcome is not Outcome.PASSED
        )
    skipped = [nodeid for nodeid in by_outcome.get(Outcome.SKIPPED, []) if not _allowed(nodeid, facts.skips)]
    if skipped:
        yield f"{_count(skipped)} skipped, and gate.skips does not allow it: {_names(skipped)}"
    if not any(outcome in GOOD for outcome in tests.values()):
        yield "no test passed" if tests else "no test ran"
    yield from facts.changes


def _unselected(facts: GateFacts) -> Iterator[str]:
    yield "no image was built" if facts.expected else "it has no test that runs in this mode"
    yield from _incomplete(facts)


def _incomplete(facts: GateFacts) -> Iterator[str]:
    covered = {test.file for test in facts.expected} | facts.other_mode
    unseen = sorted(facts.files - covered)
    # Marks that may be deselected are those of tests: a check is waived by name, with a reason.
    due = (test for test in facts.expected if test.check or not test.marks & facts.exclude)
    left = [test for test in due if test.nodeid not in facts.outcomes]
    unrun = [test.nodeid for test in left if not test.check]
    unlooked = [test.nodeid.rpartition("::")[2] for test in left if test.check]
    ids = [test.nodeid for test in facts.expected]
    if twice := sorted(nodeid for nodeid, count in Counter(ids).items() if count > 1):
        yield f"tests share a node id, and cannot be told apart: {_names(twice)}"
    if unseen:
        yield f"no test was collected from {', '.join(unseen)}"
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


def _names(found: Sequence[str]) -> str:
    short = [short_name(nodeid) for nodeid in found]
    more = f" and {len(short) - SHOWN} more" if len(short) > SHOWN else ""
    return ", ".join(short[:SHOWN]) + more

"""What a session decided, as text for other programs, and what the process that started it makes of it."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from kharness.plan.gate.refusals import TestOutcome
from kharness.plan.gate.result import (
    DONE,
    NO_VERDICT,
    ProofResult,
    ServiceResult,
    ServiceVerdict,
    SessionResult,
    SessionVerdict,
    broken_result,
    decided_status,
    judge,
    production_result,
    readiness_result,
    result_schema,
    unfinished,
)
from kharness.plan.release.operation import Ending, Released
from tests.plan.gate.test_refusals import COMPLETE, A, B, collected

IMAGE = "sha256:aa"
TESTED = readiness_result(COMPLETE, (), seconds={"build": 1.5})
DONE_RELEASE = Released(name="web", kind=Ending.LAUNCHED, image=IMAGE, previous="sha256:bb", notes=("left over",))
UNDONE = replace(DONE_RELEASE, kind=Ending.UNDONE)
LAUNCHED = replace(TESTED, release=DONE_RELEASE, remarks=("flaky: 1 test",))
REFUSED = readiness_result(COMPLETE, ("1 test failed",), seconds={})


def result(*services: ServiceResult, status: int = 0) -> SessionResult:
    return SessionResult(status=status, services=services)


@pytest.mark.parametrize(
    ("status", "found", "launch", "verdict"),
    [
        (0, result(LAUNCHED), True, (0, "upgraded")),
        (0, result(), False, (0, "passed")),
        (0, None, False, (1, NO_VERDICT)),
        (0, None, True, (1, NO_VERDICT)),
        (0, result(status=1), False, (1, "a test failed, or what was asked for was refused")),
        (0, result(), True, (1, "nothing was released")),
        (0, result(REFUSED), True, (1, "nothing was released")),
        (0, result(TESTED), True, (1, "nothing was released")),
        (0, result(replace(LAUNCHED, verdict=ServiceVerdict.REFUSED)), True, (1, "nothing was released")),
        (
            0,
            result(replace(LAUNCHED, release=replace(DONE_RELEASE, kind=Ending.UNDONE))),
            True,
            (1, "nothing was released"),
        ),
        (0, result(replace(LAUNCHED, name="db")), True, (1, "nothing was released")),
        (2, None, True, (2, "interrupted")),
        (77, result(), False, (77, "it ended with status 77")),
    ],
)
def test_success_is_what_the_session_wrote_and_never_a_status_alone(
    status: int,
    found: SessionResult | None,
    launch: bool,  # noqa: FBT001
    verdict: tuple[int, str],
) -> None:
    said = judge("web", status, found, launch=launch)
    assert (said.status, said.text) == verdict


def test_a_release_that_changed_nothing_is_reported_as_such() -> None:
    for kind, text in DONE.items():
        found = result(replace(LAUNCHED, release=replace(DONE_RELEASE, kind=kind)))
        notes = ("flaky: 1 test", "left over")
        assert judge("web", 0, found, launch=True) == SessionVerdict(status=0, text=text, notes=notes)


def test_a_result_is_read_as_it_was_written_and_half_a_one_is_none() -> None:
    proof = ProofResult(how="metadata", directories=1, entries=2, seconds=0.5)
    whole = replace(result(LAUNCHED, REFUSED, broken_result("db", "x: y\nx: z"), status=1), proof=proof, doubts=("d",))
    text = whole.to_json()
    assert SessionResult.from_json(text) == whole
    for half in ("", "{}", "[]", "null", text[:-3], '{"status": 0, "services": [{}]}'):
        assert SessionResult.from_json(half) is None
    other = json.dumps({**json.loads(text), "version": 2})
    assert SessionResult.from_json(other) is None


def test_tests_and_checks_are_told_apart() -> None:
    check = replace(collected("c::read only"), check=True)
    facts = replace(
        COMPLETE,
        expected=(*COMPLETE.expected, check),
        outcomes={A: TestOutcome.PASSED, "c::read only": TestOutcome.PASSED},
    )
    found = readiness_result(facts, (), seconds={})
    assert (dict(found.tests), dict(found.checks)) == (
        {A: TestOutcome.PASSED},
        {"c::read only": TestOutcome.PASSED},
    )


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ({A: TestOutcome.PASSED, B: TestOutcome.SKIPPED}, ServiceVerdict.PASSED),
        ({A: TestOutcome.PASSED, B: TestOutcome.FAILED}, ServiceVerdict.FAILED),
        ({A: TestOutcome.SKIPPED}, ServiceVerdict.UNTESTED),
        ({}, ServiceVerdict.UNTESTED),
    ],
)
def test_production_passes_only_where_a_test_of_it_passed(
    outcomes: dict[str, TestOutcome], verdict: ServiceVerdict
) -> None:
    found = production_result(replace(COMPLETE, outcomes=outcomes), seconds={})
    assert (found.verdict, found.release, found.ok) == (verdict, None, verdict is not ServiceVerdict.FAILED)


def test_an_interrupt_leaves_what_was_released_and_what_was_refused() -> None:
    found = unfinished((TESTED, LAUNCHED, REFUSED))
    assert [each.verdict.value for each in found] == ["interrupted", "passed", "refused"]
    assert [each.ok for each in found] == [False, True, False]


@pytest.mark.parametrize(
    ("status", "bad", "unchanged", "decided"),
    [
        (0, False, False, 0),
        (0, True, False, 1),
        (5, False, False, 5),
        (5, False, True, 0),
        (5, True, True, 1),
        (1, False, True, 1),
        (2, True, False, 2),
    ],
)
def test_a_refusal_fails_the_session_and_unchanged_is_success(
    *, status: int, bad: bool, unchanged: bool, decided: int
) -> None:
    assert decided_status(status, bad=bad, unchanged=unchanged) == decided


def test_what_is_written_as_json_is_valid_by_its_schema() -> None:
    proof = ProofResult(how="metadata", directories=1, entries=2, seconds=0.1)
    services = (LAUNCHED, REFUSED, broken_result("db", "x: y"))
    schema = result_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    whole = json.loads(SessionResult(status=1, services=services, proof=proof, doubts=("d",)).to_json())
    jsonschema.validate(whole, schema)
    assert {*schema["required"]} == {*whole}
    for broken in ({**whole, "version": 99}, {**whole, "status": "no"}, {**whole, "services": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema)

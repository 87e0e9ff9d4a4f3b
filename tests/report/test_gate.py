"""One result of a session, as its summary and as JUnit properties."""

from __future__ import annotations

from dataclasses import replace

from kharness.plan.gate.refusals import TestOutcome
from kharness.plan.gate.result import ProofResult, ServiceResult, ServiceVerdict, SessionResult, broken_result
from kharness.plan.release.operation import Ending, Released
from kharness.report.gate import junit_properties, session_lines

IMAGE = f"sha256:{'1' * 64}"
PASSED = ServiceResult(
    name="web",
    verdict=ServiceVerdict.PASSED,
    image=IMAGE,
    tests={"test_web.py::test_a": TestOutcome.PASSED},
    checks={"a": TestOutcome.PASSED, "b": TestOutcome.PASSED},
)
REFUSED = replace(PASSED, verdict=ServiceVerdict.REFUSED, reasons=("no test ran",))
LAUNCHED = replace(PASSED, release=Released(name="web", kind=Ending.LAUNCHED, image=IMAGE))


def text(*services: ServiceResult, **more: object) -> list[str]:
    values: dict[str, object] = {"status": 0, "mode": "standalone", "services": services, **more}
    return [line.text for line in session_lines(SessionResult(**values))]  # type: ignore[arg-type]


def test_what_passed_says_how_it_becomes_live_or_that_it_is() -> None:
    passed = f"web: passed 1 test and 2 checks, image {'1' * 12}"
    assert text(PASSED) == [f"{passed}; --promote would make it live"]
    assert text(replace(PASSED, live=True)) == [f"{passed}; it is live"]
    assert text(replace(PASSED, unchanged=True))[0].startswith("web: unchanged since it passed, ")


def test_what_is_refused_has_its_reasons_and_the_word_fits_what_was_asked() -> None:
    assert text(REFUSED) == ["web: not ready for promotion", "  - no test ran"]
    assert text(REFUSED, asked="launch")[0] == "web: refused"


def test_what_a_test_has_reported_is_not_repeated() -> None:
    reason = "web: exited with 1\n    | no database"
    shown = text(replace(REFUSED, reasons=(reason,), reported=reason))
    assert shown[1:] == ["  - web: exited with 1 (the first test's report has all of it)"]
    assert text(replace(REFUSED, reasons=(reason,)))[2:] == ["        | no database"]


def test_remarks_are_notes_unless_they_are_reasons() -> None:
    remarks = ("xfail: 1 test", "flaky: 2 tests")
    reasons = ("flaky: 2 tests (refused by gate.flaky)",)
    found = text(replace(REFUSED, reasons=reasons, remarks=remarks))
    assert found[1:] == [f"  - {reasons[0]}", "  note: xfail: 1 test"]


def test_a_release_an_interrupt_and_broken_settings_have_words_of_their_own() -> None:
    (launched,) = text(LAUNCHED, asked="launch")
    assert launched.endswith("is live, and production runs it")
    assert "interrupted" in text(replace(PASSED, verdict=ServiceVerdict.INTERRUPTED))[0]
    assert text(broken_result("db", "x: y")) == ["db: its settings cannot be used; nothing was built"]


def test_doubts_what_was_kept_and_the_proof_follow() -> None:
    proof = ProofResult(how="content", directories=1, entries=1200, seconds=0.004)
    found = text(replace(PASSED, kept=("test-web-1",)), doubts=("no firewall",), proof=proof)
    assert found[1] == "note: no firewall"
    assert found[2].startswith("kept: test-web-1; enter it with ")
    assert found[3] == "production untouched: 1 directory, 1,200 entries, with contents, 4 ms"


def test_production_s_tests_have_no_summary_of_ours() -> None:
    assert text(PASSED, mode="in-prod") == []


def test_junit_has_a_property_for_all_that_is_known() -> None:
    session = SessionResult(
        status=1, session="abc", mode="standalone", services=(LAUNCHED, replace(REFUSED, name="db"))
    )
    assert dict(junit_properties(session)) == {
        "kharness.session": "abc",
        "kharness.mode": "standalone",
        "kharness.web.verdict": "passed",
        "kharness.web.image": IMAGE,
        "kharness.web.release": "launched",
        "kharness.db.verdict": "refused",
        "kharness.db.image": IMAGE,
        "kharness.db.reasons": "no test ran",
    }

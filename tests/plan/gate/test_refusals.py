from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.plan.gate.refusals import (
    GOOD,
    Collected,
    GateFacts,
    TestOutcome,
    doubts_in_production,
    failures_in_production,
    refusals,
    remarks,
)

A, B = "containers/web/test_web.py::test_a", "containers/web/test_web.py::test_b"
FILE = "/p/containers/web/test_web.py"


def collected(nodeid: str, *marks: str) -> Collected:
    return Collected(nodeid=nodeid, file=FILE, marks=frozenset(marks))


COMPLETE = GateFacts(
    name="web",
    image="sha256:aa",
    files=frozenset({FILE}),
    expected=(collected(A), collected(B)),
    outcomes={A: TestOutcome.PASSED, B: TestOutcome.PASSED},
)


def test_a_complete_pass_is_not_refused() -> None:
    assert refusals(COMPLETE) == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image": None}, "no image was built"),
        ({"image": None, "launch_error": "web: exited with 1"}, "web: exited with 1"),
        ({"end": "exited with 1"}, "after its last test the test instance exited with 1"),
        ({"outcomes": {A: TestOutcome.PASSED, B: TestOutcome.FAILED}}, "1 test failed: test_web.py::test_b"),
        ({"outcomes": {A: TestOutcome.PASSED, B: TestOutcome.ERROR}}, "1 test had errors: test_web.py::test_b"),
        ({"outcomes": {A: TestOutcome.PASSED}}, "1 test not run: test_web.py::test_b"),
        (
            {"outcomes": {A: TestOutcome.PASSED, B: TestOutcome.SKIPPED}},
            "1 test skipped, and gate.skips does not allow it: test_web.py::test_b",
        ),
        (
            {"files": frozenset({FILE, "/p/containers/web/test_x.py"})},
            "no test was collected from /p/containers/web/test_x.py",
        ),
        ({"collection_errors": ("test_x.py: SyntaxError",)}, "collection failed: test_x.py: SyntaxError"),
        ({"partial": ("-k a (command line)",)}, "the selection was partial: -k a (command line)"),
        ({"crashes": ("gw0: Not properly terminated",)}, "a test worker crashed: gw0: Not properly terminated"),
        ({"changes": ("settings or tests changed",)}, "settings or tests changed"),
        ({"launch_error": "web: was not ready"}, "web: was not ready"),
    ],
)
def test_each_gap_is_a_reason_of_its_own(change: dict[str, object], reason: str) -> None:
    assert refusals(replace(COMPLETE, **change)) == (reason,)  # type: ignore[arg-type]


REMARKED = replace(
    COMPLETE,
    outcomes={A: TestOutcome.PASSED, B: TestOutcome.XFAILED},
    flaky=("test_web.py::test_a (2 tries)",),
    unrun=("containers/web/test_web.py::test_p",),
    gone=("test_web.py::test_x", "test_web.py::test_y"),
)


def test_what_forbids_nothing_by_itself_is_counted_and_named() -> None:
    assert remarks(COMPLETE) == {}
    assert refusals(REMARKED) == ()
    assert remarks(REMARKED) == {
        "xfail": "xfail: 1 test failed as expected: test_web.py::test_b",
        "flaky": "flaky: 1 test passed, but not at the first try: test_web.py::test_a (2 tries)",
        "unrun": "unrun: 1 test marked for another mode did not run: test_web.py::test_p",
        "fewer": "fewer: 2 tests of the last release no longer there: test_web.py::test_x, test_web.py::test_y",
    }
    assert remarks(replace(REMARKED, image=None)) == remarks(replace(REMARKED, launch_error="no")) == {}


@pytest.mark.parametrize("key", ["xfail", "flaky", "unrun", "fewer"])
def test_what_the_settings_refuse_is_a_reason(key: str) -> None:
    (reason,) = refusals(replace(REMARKED, refuse=frozenset({key})))
    assert reason == f"{remarks(REMARKED)[key]} (refused by gate.{key})"
    assert refusals(replace(COMPLETE, refuse=frozenset({key}))) == ()


def test_a_selection_that_collects_less_is_not_taken_for_tests_that_are_gone() -> None:
    assert "fewer" not in remarks(replace(REMARKED, partial=("web/test_web.py (command line)",)))
    assert "fewer" not in remarks(replace(REMARKED, collection_errors=("x",)))
    assert "fewer" in remarks(replace(REMARKED, partial=("-k a (command line)",)))


def test_what_was_not_collected_is_named_with_what_may_be_the_cause() -> None:
    facts = replace(COMPLETE, uncollected=(f"{FILE}::test_c",), choices=("python_functions = check in pytest.ini",))
    cause = "(python_functions = check in pytest.ini)"
    assert refusals(facts) == (f"1 test not collected: test_web.py::test_c {cause}",)
    unseen = replace(facts, files=frozenset({FILE, "test_x.py"}), uncollected=("test_x.py::test_c",))
    assert refusals(unseen) == (f"no test was collected from test_x.py {cause}",)


def test_where_nothing_was_built_because_nothing_was_selected_that_is_the_reason() -> None:
    unbuilt = replace(COMPLETE, image=None, outcomes={}, partial=("-k x (command line)",))
    assert refusals(unbuilt) == (
        "no image was built",
        "2 tests not run: test_web.py::test_a, test_web.py::test_b",
        "the selection was partial: -k x (command line)",
    )
    assert refusals(GateFacts(name="web", image=None)) == ("it has no test that runs in this mode",)


def test_parameters_with_slashes_and_colons_are_part_of_a_name() -> None:
    odd = "containers/web/test_web.py::test_path[a::b/etc/passwd]"
    facts = replace(COMPLETE, outcomes={A: TestOutcome.PASSED, B: TestOutcome.PASSED, odd: TestOutcome.SKIPPED})
    (reason,) = refusals(facts)
    assert reason == "1 test skipped, and gate.skips does not allow it: test_web.py::test_path[a::b/etc/passwd]"
    assert refusals(replace(facts, skips=frozenset({"test_path"}))) == ()


def test_no_test_at_all_is_a_refusal() -> None:
    assert refusals(GateFacts(name="web", image="sha256:aa")) == ("no test ran",)


def test_expected_failures_alone_show_nothing() -> None:
    assert refusals(replace(COMPLETE, outcomes={A: TestOutcome.XFAILED, B: TestOutcome.XFAILED})) == ("no test passed",)
    assert refusals(replace(COMPLETE, outcomes={A: TestOutcome.XFAILED, B: TestOutcome.PASSED})) == ()


def test_two_tests_with_one_node_id_are_a_refusal() -> None:
    (reason,) = refusals(replace(COMPLETE, expected=(collected(A), collected(B), collected(B))))
    assert reason == "tests share a node id, and cannot be told apart: test_web.py::test_b"


@pytest.mark.parametrize(
    ("outcomes", "reasons"),
    [
        ({A: TestOutcome.PASSED, B: TestOutcome.XFAILED}, ()),
        ({A: TestOutcome.PASSED}, ("only 1 of 2 tests marked in_prod ended in production",)),
        ({A: TestOutcome.XFAILED, B: TestOutcome.XFAILED}, ("no test passed in production",)),
        (
            {A: TestOutcome.PASSED, B: TestOutcome.SKIPPED},
            ("1 test skipped in production, and gate.skips does not allow it: test_web.py::test_b",),
        ),
    ],
)
def test_production_is_verified_by_all_of_its_tests(outcomes: dict[str, TestOutcome], reasons: tuple[str, ...]) -> None:
    assert doubts_in_production(outcomes, expected=2) == reasons


K = "containers/web/settings.yaml::KH110 has a memory limit"
CHECKED = replace(COMPLETE, expected=(*COMPLETE.expected, Collected(nodeid=K, file="settings.yaml", check=True)))


@pytest.mark.parametrize(
    ("outcomes", "reasons"),
    [
        ({A: TestOutcome.PASSED, B: TestOutcome.PASSED, K: TestOutcome.PASSED}, ()),
        ({A: TestOutcome.PASSED, B: TestOutcome.PASSED}, ("1 check not run: KH110 has a memory limit",)),
        (
            {A: TestOutcome.PASSED, B: TestOutcome.PASSED, K: TestOutcome.FAILED},
            ("the check failed: KH110 has a memory limit",),
        ),
        (
            {A: TestOutcome.PASSED, B: TestOutcome.PASSED, K: TestOutcome.SKIPPED},
            ("the check was skipped: KH110 has a memory limit",),
        ),
    ],
)
def test_a_check_stands_in_the_way_when_it_fails_or_does_not_run(
    outcomes: dict[str, TestOutcome], reasons: tuple[str, ...]
) -> None:
    assert refusals(replace(CHECKED, outcomes=outcomes)) == reasons


def test_no_mark_lets_a_check_be_left_out() -> None:
    marked = Collected(nodeid=K, file="settings.yaml", check=True, marks=frozenset({"policy"}))
    facts = replace(
        CHECKED,
        expected=(*COMPLETE.expected, marked),
        outcomes={A: TestOutcome.PASSED, B: TestOutcome.PASSED},
        exclude=frozenset({"policy"}),
    )
    assert refusals(facts) == ("1 check not run: KH110 has a memory limit",)


def test_a_check_is_no_evidence() -> None:
    facts = replace(CHECKED, expected=CHECKED.expected[-1:], files=frozenset({"settings.yaml"}), other_mode=frozenset())
    assert refusals(replace(facts, outcomes={K: TestOutcome.PASSED})) == ("no test ran",)


def test_production_fails_by_what_failed_there_and_not_by_what_did_not_run() -> None:
    assert failures_in_production(replace(COMPLETE, outcomes={A: TestOutcome.PASSED})) == ()
    facts = replace(COMPLETE, launch_error="web: it exited", crashes=("gw0: lost",), outcomes={A: TestOutcome.FAILED})
    reasons = ("web: it exited", "a test worker crashed: gw0: lost", "1 test failed: test_web.py::test_a")
    assert failures_in_production(facts) == reasons


def test_every_reason_is_given_at_once() -> None:
    facts = replace(COMPLETE, outcomes={A: TestOutcome.FAILED}, partial=("-x (command line)",), changes=("changed",))
    assert refusals(facts) == (
        "1 test not run: test_web.py::test_b",
        "the selection was partial: -x (command line)",
        "1 test failed: test_web.py::test_a",
        "no test passed",
        "changed",
    )


def test_a_mark_that_the_container_excludes_may_be_deselected() -> None:
    facts = replace(
        COMPLETE,
        expected=(collected(A), collected(B, "slow")),
        outcomes={A: TestOutcome.PASSED},
        partial=("-m 'not slow' (command line)",),
        exclude=frozenset({"slow"}),
    )
    assert refusals(facts) == ()


def test_a_mark_that_it_does_not_exclude_may_not() -> None:
    facts = replace(COMPLETE, outcomes={A: TestOutcome.PASSED}, partial=("-m 'not slow' (command line)",))
    assert refusals(facts) == (
        "1 test not run: test_web.py::test_b",
        "the selection was partial: -m 'not slow' (command line)",
    )


def test_a_skip_that_the_container_declares_is_allowed() -> None:
    facts = replace(COMPLETE, outcomes={A: TestOutcome.PASSED, B: TestOutcome.SKIPPED}, skips=frozenset({"test_b"}))
    assert refusals(facts) == ()


def test_a_recorded_verdict_counts_unless_something_changed() -> None:
    known = GateFacts(name="web", image="sha256:aa", known_good=True)
    assert refusals(known) == ()
    assert refusals(replace(known, changes=("changed",))) == ("changed",)


def test_a_long_list_of_tests_is_shortened() -> None:
    many = {f"w/test_web.py::test_{n}": TestOutcome.FAILED for n in range(5)}
    facts = replace(COMPLETE, expected=(), files=frozenset(), outcomes={A: TestOutcome.PASSED, **many})
    shown = "test_web.py::test_0, test_web.py::test_1, test_web.py::test_2"
    assert refusals(facts) == (f"5 tests failed: {shown} and 2 more",)


OUTCOMES = st.dictionaries(st.sampled_from([A, B]), st.sampled_from(list(TestOutcome)))
TEXTS = st.lists(st.text(min_size=1), max_size=2).map(tuple)


@given(
    outcomes=OUTCOMES,
    errors=TEXTS,
    crashes=TEXTS,
    changes=TEXTS,
    launch_error=st.none() | st.text(min_size=1),
    image=st.none() | st.just("sha256:aa"),
    extra=st.booleans(),
)
def test_nothing_but_a_complete_pass_is_promoted(
    *,
    outcomes: dict[str, TestOutcome],
    errors: tuple[str, ...],
    crashes: tuple[str, ...],
    changes: tuple[str, ...],
    launch_error: str | None,
    image: str | None,
    extra: bool,
) -> None:
    facts = replace(
        COMPLETE,
        outcomes=outcomes,
        collection_errors=errors,
        crashes=crashes,
        changes=changes,
        launch_error=launch_error,
        image=image,
        files=frozenset({FILE, "/p/unseen.py"} if extra else {FILE}),
    )
    ended = set(outcomes.values())
    # An expected failure forbids nothing and shows nothing.
    complete = outcomes.keys() == {A, B} and ended <= {*GOOD, TestOutcome.XFAILED} and bool(ended & GOOD)
    clean = not (errors or crashes or changes or launch_error or extra) and image is not None
    assert (refusals(facts) == ()) == (complete and clean)


def test_without_a_test_checks_decide_where_the_settings_say_so_and_it_is_remarked() -> None:
    check = Collected(nodeid="settings.yaml::init", file="settings.yaml", check=True)
    facts = GateFacts(name="web", image="sha256:aa", expected=(check,), outcomes={check.nodeid: TestOutcome.PASSED})
    assert refusals(facts) == ("no test ran",)
    excused = replace(facts, untested_ok=True)
    assert refusals(excused) == ()
    assert remarks(excused) == {"tests": "no test vouches for it, only checks and its health: gate.tests is none"}
    assert refusals(replace(excused, outcomes={check.nodeid: TestOutcome.FAILED})) == ("the check failed: init",)
    assert refusals(replace(excused, end="exited with 1")) == ("after its last test the test instance exited with 1",)


def test_tests_that_there_are_must_pass_though_none_would_be_needed() -> None:
    skipped = replace(COMPLETE, untested_ok=True, outcomes={A: TestOutcome.XFAILED, B: TestOutcome.XFAILED})
    assert refusals(skipped) == ("no test passed",)
    assert "tests" not in remarks(replace(COMPLETE, untested_ok=True))

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.plan.gate import GOOD, Collected, GateFacts, Outcome, doubts_in_production, refusals, refused_bases

A, B = "containers/web/test_web.py::test_a", "containers/web/test_web.py::test_b"
FILE = "/p/containers/web/test_web.py"


def collected(nodeid: str, *marks: str) -> Collected:
    return Collected(nodeid=nodeid, file=FILE, marks=frozenset(marks))


COMPLETE = GateFacts(
    name="web",
    image="sha256:aa",
    files=frozenset({FILE}),
    expected=(collected(A), collected(B)),
    outcomes={A: Outcome.PASSED, B: Outcome.PASSED},
)


def test_a_complete_pass_is_not_refused() -> None:
    assert refusals(COMPLETE) == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image": None}, "no image was built"),
        ({"image": None, "launch_error": "web: exited with 1"}, "web: exited with 1"),
        ({"interrupted": True}, "the session was interrupted"),
        ({"outcomes": {A: Outcome.PASSED, B: Outcome.FAILED}}, "1 test failed: test_web.py::test_b"),
        ({"outcomes": {A: Outcome.PASSED, B: Outcome.ERROR}}, "1 test had errors: test_web.py::test_b"),
        ({"outcomes": {A: Outcome.PASSED}}, "1 test not run: test_web.py::test_b"),
        (
            {"outcomes": {A: Outcome.PASSED, B: Outcome.SKIPPED}},
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
    facts = replace(COMPLETE, outcomes={A: Outcome.PASSED, B: Outcome.PASSED, odd: Outcome.SKIPPED})
    (reason,) = refusals(facts)
    assert reason == "1 test skipped, and gate.skips does not allow it: test_web.py::test_path[a::b/etc/passwd]"
    assert refusals(replace(facts, skips=frozenset({"test_path"}))) == ()


def test_no_test_at_all_is_a_refusal() -> None:
    assert refusals(GateFacts(name="web", image="sha256:aa")) == ("no test ran",)


def test_expected_failures_alone_show_nothing() -> None:
    assert refusals(replace(COMPLETE, outcomes={A: Outcome.XFAILED, B: Outcome.XFAILED})) == ("no test passed",)
    assert refusals(replace(COMPLETE, outcomes={A: Outcome.XFAILED, B: Outcome.PASSED})) == ()


def test_two_tests_with_one_node_id_are_a_refusal() -> None:
    (reason,) = refusals(replace(COMPLETE, expected=(collected(A), collected(B), collected(B))))
    assert reason == "tests share a node id, and cannot be told apart: test_web.py::test_b"


@pytest.mark.parametrize(
    ("outcomes", "reasons"),
    [
        ({A: Outcome.PASSED, B: Outcome.XFAILED}, ()),
        ({A: Outcome.PASSED}, ("only 1 of 2 tests marked in_prod ended in production",)),
        ({A: Outcome.XFAILED, B: Outcome.XFAILED}, ("no test passed in production",)),
        (
            {A: Outcome.PASSED, B: Outcome.SKIPPED},
            ("1 test skipped in production, and gate.skips does not allow it: test_web.py::test_b",),
        ),
    ],
)
def test_production_is_verified_by_all_of_its_tests(outcomes: dict[str, Outcome], reasons: tuple[str, ...]) -> None:
    assert doubts_in_production(outcomes, expected=2) == reasons


K = "containers/web/settings.yaml::KH110 has a memory limit"
CHECKED = replace(COMPLETE, expected=(*COMPLETE.expected, Collected(nodeid=K, file="settings.yaml", check=True)))


@pytest.mark.parametrize(
    ("outcomes", "reasons"),
    [
        ({A: Outcome.PASSED, B: Outcome.PASSED, K: Outcome.PASSED}, ()),
        ({A: Outcome.PASSED, B: Outcome.PASSED}, ("1 check not run: KH110 has a memory limit",)),
        (
            {A: Outcome.PASSED, B: Outcome.PASSED, K: Outcome.FAILED},
            ("the check failed: KH110 has a memory limit",),
        ),
        (
            {A: Outcome.PASSED, B: Outcome.PASSED, K: Outcome.SKIPPED},
            ("the check was skipped: KH110 has a memory limit",),
        ),
    ],
)
def test_a_check_stands_in_the_way_when_it_fails_or_does_not_run(
    outcomes: dict[str, Outcome], reasons: tuple[str, ...]
) -> None:
    assert refusals(replace(CHECKED, outcomes=outcomes)) == reasons


def test_no_mark_lets_a_check_be_left_out() -> None:
    marked = Collected(nodeid=K, file="settings.yaml", check=True, marks=frozenset({"policy"}))
    facts = replace(
        CHECKED,
        expected=(*COMPLETE.expected, marked),
        outcomes={A: Outcome.PASSED, B: Outcome.PASSED},
        exclude=frozenset({"policy"}),
    )
    assert refusals(facts) == ("1 check not run: KH110 has a memory limit",)


def test_a_check_is_no_evidence() -> None:
    facts = replace(CHECKED, expected=CHECKED.expected[-1:], files=frozenset({"settings.yaml"}), other_mode=frozenset())
    assert refusals(replace(facts, outcomes={K: Outcome.PASSED})) == ("no test ran",)


def test_every_reason_is_given_at_once() -> None:
    facts = replace(COMPLETE, outcomes={A: Outcome.FAILED}, partial=("-x (command line)",), changes=("changed",))
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
        outcomes={A: Outcome.PASSED},
        partial=("-m 'not slow' (command line)",),
        exclude=frozenset({"slow"}),
    )
    assert refusals(facts) == ()


def test_a_mark_that_it_does_not_exclude_may_not() -> None:
    facts = replace(COMPLETE, outcomes={A: Outcome.PASSED}, partial=("-m 'not slow' (command line)",))
    assert refusals(facts) == (
        "1 test not run: test_web.py::test_b",
        "the selection was partial: -m 'not slow' (command line)",
    )


def test_a_skip_that_the_container_declares_is_allowed() -> None:
    facts = replace(COMPLETE, outcomes={A: Outcome.PASSED, B: Outcome.SKIPPED}, skips=frozenset({"test_b"}))
    assert refusals(facts) == ()


def test_a_recorded_verdict_counts_unless_something_changed() -> None:
    known = GateFacts(name="web", image="sha256:aa", known_good=True)
    assert refusals(known) == ()
    assert refusals(replace(known, changes=("changed",))) == ("changed",)


def test_a_long_list_of_tests_is_shortened() -> None:
    many = {f"w/test_web.py::test_{n}": Outcome.FAILED for n in range(5)}
    facts = replace(COMPLETE, expected=(), files=frozenset(), outcomes={A: Outcome.PASSED, **many})
    shown = "test_web.py::test_0, test_web.py::test_1, test_web.py::test_2"
    assert refusals(facts) == (f"5 tests failed: {shown} and 2 more",)


def test_what_is_built_on_a_refused_base_is_refused() -> None:
    bases = {"web": ("base",), "base": ()}
    assert refused_bases("web", bases, ["base"]) == ("its base base was refused",)
    assert refused_bases("base", bases, ["web"]) == ()


OUTCOMES = st.dictionaries(st.sampled_from([A, B]), st.sampled_from(list(Outcome)))
TEXTS = st.lists(st.text(min_size=1), max_size=2).map(tuple)


@given(
    outcomes=OUTCOMES,
    errors=TEXTS,
    crashes=TEXTS,
    changes=TEXTS,
    launch_error=st.none() | st.text(min_size=1),
    interrupted=st.booleans(),
    image=st.none() | st.just("sha256:aa"),
    extra=st.booleans(),
)
def test_nothing_but_a_complete_pass_is_promoted(
    *,
    outcomes: dict[str, Outcome],
    errors: tuple[str, ...],
    crashes: tuple[str, ...],
    changes: tuple[str, ...],
    launch_error: str | None,
    interrupted: bool,
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
        interrupted=interrupted,
        image=image,
        files=frozenset({FILE, "/p/unseen.py"} if extra else {FILE}),
    )
    complete = outcomes.keys() == {A, B} and set(outcomes.values()) <= GOOD
    clean = not (errors or crashes or changes or launch_error or interrupted or extra) and image is not None
    assert (refusals(facts) == ()) == (complete and clean)

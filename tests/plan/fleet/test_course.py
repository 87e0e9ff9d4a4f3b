"""What begins when, and what is held back by what."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kharness.plan.fleet.course import Course, End, Hold, can_begin, plan_course, stages

Waves = Mapping[str, int | None]
Needs = Mapping[str, tuple[str, ...]]

SIX: Waves = {"a": 1, "b": 1, "c": 2, "d": 2, "e": 10, "f": 10}
D, F, H = End.DONE, End.FAILED, End.HELD
NEEDS_DB = "it needs db, which needs itself in a circle"


def staged(course: Course) -> list[list[str]]:
    return [[step.name for step in stage] for stage in stages(course)]


@pytest.mark.parametrize(
    ("waves", "needs", "forwards", "backwards"),
    [
        ({}, {}, [], []),
        (SIX, {}, [["a", "b"], ["c", "d"], ["e", "f"]], [["e", "f"], ["c", "d"], ["a", "b"]]),
        # Within a wave, and between waves, what is needed comes first.
        ({"web": 1, "db": 1}, {"web": ("db", "gone")}, [["db"], ["web"]], [["web"], ["db"]]),
        ({"web": 1, "db": 2, "x": 1}, {"web": ("db",)}, [["x"], ["db"], ["web"]], [["web"], ["db"], ["x"]]),
        # Without waves only needs have a say ...
        (
            {"base": None, "a": None, "b": None, "free": None},
            {"a": ("base",), "b": ("a",)},
            [["base", "free"], ["a"], ["b"]],
            [["b", "free"], ["a"], ["base"]],
        ),
        # ... also where others have waves, and what needs them needs what they need.
        (
            {"base": None, "a": 1, "b": 2, "free": None},
            {"b": ("base",)},
            [["a", "base", "free"], ["b"]],
            [["b", "free"], ["a", "base"]],
        ),
        ({"a": 1, "tool": None, "c": 3}, {"a": ("tool",), "tool": ("c",)}, [["c"], ["tool"], ["a"]], None),
        ({"a": 1, "b": 1}, {"a": ("a",)}, [["a", "b"]], None),
    ],
)
def test_stages(waves: Waves, needs: Needs, forwards: list[list[str]], backwards: list[list[str]] | None) -> None:
    assert staged(plan_course(waves, needs)) == forwards
    if backwards is not None:
        assert staged(plan_course(waves, needs, backwards=True)) == backwards


def test_a_circle_has_no_place_and_the_others_have_theirs() -> None:
    waves = {"a": 1, "b": 1, "c": 1, "d": 2, "e": 2, "f": 2}
    course = plan_course(waves, {"a": ("b",), "b": ("a",), "c": ("b",), "e": ("f",), "f": ("e",)})
    assert staged(course) == [["c"], ["d"]]
    assert course.impossible.keys() == {"a", "b", "e", "f"}
    assert course.impossible["a"] in {
        "these need each other in a circle: a -> b -> a",
        "these need each other in a circle: b -> a -> b",
    }


@pytest.mark.parametrize(
    ("hold", "expected"),
    [
        (Hold.WAVES, {"early": "", "web": NEEDS_DB, "api": "wave 1 is not healthy: cache, db", "free": ""}),
        (Hold.NEEDS, {"early": "", "web": NEEDS_DB, "api": "", "free": ""}),
        (Hold.NOTHING, {"early": "", "web": "", "api": "", "free": ""}),
    ],
)
def test_a_circle_failed_from_the_start(hold: Hold, expected: dict[str, str]) -> None:
    waves = {"early": 0, "db": 1, "cache": 1, "web": 2, "api": 2, "free": None}
    course = plan_course(waves, {"db": ["cache"], "cache": ["db"], "web": ["db"]})
    assert course.waves == {"db": 1, "cache": 1}
    begun = dict(can_begin(course, {}, hold=hold))
    assert {step.name for step in begun} == {"early", "free"}
    assert begun | dict(can_begin(course, {"early": D}, hold=hold)) == {
        step: expected[step.name] for step in course.steps
    }


@pytest.mark.parametrize(
    ("hold", "web", "late"),
    [
        (Hold.WAVES, "it needs db, whose settings cannot be read", "wave 1 is not healthy: web"),
        (Hold.NEEDS, "it needs db, whose settings cannot be read", ""),
        (Hold.NOTHING, "", ""),
    ],
)
def test_unreadable_settings_hold_back_only_what_needs_them(hold: Hold, web: str, late: str) -> None:
    course = plan_course({"web": 1, "api": 1, "late": 2}, {"web": ["db"]}, broken=["db", "more"])
    found = {step.name: reason for step, reason in can_begin(course, {}, hold=hold)}
    assert found == {"web": web, "api": ""}
    ends = {"web": H if web else D, "api": D}
    assert [reason for _, reason in can_begin(course, ends, hold=hold)] == [late]


def test_a_broken_container_leaves_the_later_waves_in_order() -> None:
    course = plan_course({"api": 1, "b": 2, "db": 3, "cache": 3}, {"api": ["db"], "db": ["cache"], "cache": ["db"]})
    assert {step.name: step.wave for step in course.steps} == {"api": 3, "b": 2}
    backwards = plan_course({"a": 1, "b": 1, "c": 2}, {"a": ["b"], "b": ["a"]}, backwards=True)
    assert [reason for _, reason in can_begin(backwards, {}, hold=Hold.NOTHING)] == [""]


@pytest.mark.parametrize(
    ("hold", "ends", "expected"),
    [
        (Hold.WAVES, {}, {"a": "", "b": ""}),
        (Hold.WAVES, {"a": D}, {"b": ""}),
        (Hold.WAVES, {"a": D, "b": D}, {"c": ""}),
        (Hold.WAVES, {"a": D, "b": D, "c": D}, {"d": ""}),
        (Hold.WAVES, {"a": F, "b": D}, {"c": "wave 1 is not healthy: a"}),
        (Hold.WAVES, {"a": F, "b": F}, {"c": "wave 1 is not healthy: a, b"}),
        (Hold.WAVES, {"a": D, "b": D, "c": F}, {"d": "it needs c, which failed"}),
        (Hold.WAVES, {"a": F, "b": D, "c": H}, {"d": "it needs c, which was held back"}),
        (
            Hold.WAVES,
            {"a": D, "b": D, "c": F, "d": H},
            {"e": "wave 2 is not healthy: c, d", "f": "it needs d, which was held back"},
        ),
        (Hold.NEEDS, {"a": F, "b": F}, {"c": ""}),
        (Hold.NEEDS, {"a": F, "b": D, "c": F}, {"d": "it needs c, which failed"}),
        (Hold.NEEDS, {"a": F, "b": D, "c": F, "d": H}, {"e": "", "f": "it needs d, which was held back"}),
        (Hold.NOTHING, {"a": F, "b": D, "c": F}, {"d": ""}),
    ],
)
def test_a_step_begins_or_is_held_back(hold: Hold, ends: dict[str, End], expected: dict[str, str]) -> None:
    course = plan_course(SIX, {"d": ("c",), "f": ("d",)})
    assert {step.name: reason for step, reason in can_begin(course, ends, hold=hold)} == expected


def test_without_a_failed_need_only_waves_hold_back() -> None:
    course = plan_course({"base": None, "a": 1, "b": 2}, {"a": ("base",)})
    ends = {"base": F, "a": H}
    assert [reason for _, reason in can_begin(course, ends, hold=Hold.WAVES)] == ["wave 1 is not healthy: a"]
    assert [reason for _, reason in can_begin(course, ends, hold=Hold.NEEDS)] == [""]


def test_a_failed_wave_is_reported_with_its_aim() -> None:
    course = plan_course({"a": 1, "b": 2}, {}, aim="upgraded")
    assert [held for _, held in can_begin(course, {"a": F}, hold=Hold.WAVES)] == ["wave 1 is not upgraded: a"]

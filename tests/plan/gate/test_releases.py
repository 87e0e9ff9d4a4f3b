"""Which services a session may release, in which order, and how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kharness.plan.gate.refusals import GateFacts, TestOutcome
from kharness.plan.gate.releases import (
    Candidate,
    PlannedRelease,
    held_back,
    judge_services,
    passed,
    plan_releases,
    refused_bases,
)
from tests.plan.gate.test_refusals import COMPLETE, A

GOOD, BAD = COMPLETE, replace(COMPLETE, crashes=("gw0: lost",))
NONE: frozenset[str] = frozenset()


def named(facts: GateFacts, name: str) -> GateFacts:
    return replace(facts, name=name)


def order(*candidates: Candidate, launch: bool = True) -> list[str]:
    return [each.name for each in plan_releases(candidates, launch=launch)]


def one(candidate: Candidate, *others: Candidate, launch: bool = True) -> PlannedRelease:
    return next(each for each in plan_releases((candidate, *others), launch=launch) if each.name == candidate.name)


def test_what_is_built_on_a_refused_base_is_refused() -> None:
    bases = {"web": ("base",), "base": ()}
    assert refused_bases("web", bases, ["base"]) == ("its base base was refused",)
    assert refused_bases("base", bases, ["web"]) == ()


def test_services_are_judged_after_their_bases_and_refused_with_them() -> None:
    facts = {"app": named(GOOD, "app"), "base": named(BAD, "base"), "web": named(GOOD, "web")}
    bases = {"app": frozenset({"web"}), "web": frozenset({"base"}), "base": frozenset({"elsewhere"})}
    found = judge_services(facts, bases, unproved={})
    assert list(found) == ["base", "web", "app"]
    assert found["base"] == ("a test worker crashed: gw0: lost",)
    assert found["web"] == ("its base base was refused",)
    assert found["app"] == ("its base web was refused",)


def test_a_service_whose_tests_touched_production_is_refused() -> None:
    found = judge_services({"web": GOOD}, {"web": NONE}, unproved={"web": ("1 path differs",), "db": ("no",)})
    assert found == {"web": ("1 path differs",)}


def test_images_that_are_built_on_each_other_in_a_circle_are_all_refused() -> None:
    facts = {"a": named(GOOD, "a"), "b": named(GOOD, "b")}
    found = judge_services(facts, {"a": frozenset({"b"}), "b": frozenset({"a"})}, unproved={})
    assert all("built on each other in a circle" in found[name][0] for name in ("a", "b"))


@pytest.mark.parametrize(
    ("change", "reasons", "verdict"),
    [
        ({}, (), True),
        ({}, ("the selection was partial",), None),
        ({"outcomes": {A: TestOutcome.FAILED}}, ("1 test failed",), False),
        ({"outcomes": {A: TestOutcome.ERROR}}, ("1 test had errors",), False),
        ({"outcomes": {}}, ("no test ran",), None),
        ({"image": None}, ("no image was built",), None),
        ({"known_good": True}, (), None),
    ],
)
def test_a_verdict_is_recorded_only_where_the_tests_show_one(
    change: dict[str, object],
    reasons: tuple[str, ...],
    verdict: bool | None,  # noqa: FBT001
) -> None:
    assert passed(replace(COMPLETE, **change), reasons) is verdict  # type: ignore[arg-type]


def test_bases_come_first_then_waves_then_what_nothing_starts() -> None:
    web, app = Candidate(name="web", wave=2, bases=frozenset({"base"})), Candidate(name="app", wave=1)
    tool, base = Candidate(name="tool"), Candidate(name="base", only_base=True)
    assert order(tool, web, app, base) == ["base", "app", "web", "tool"]
    assert order(web, replace(app, wave=2)) == ["web", "app"]


def test_a_service_follows_what_it_needs_whatever_their_waves_are() -> None:
    web, db = Candidate(name="web", wave=1, needs=("db", "elsewhere")), Candidate(name="db", wave=2)
    assert order(web, db) == ["db", "web"]
    assert order(replace(web, needs=("db",)), replace(db, needs=("web",))) == ["db", "web"]


def test_a_base_is_promoted_and_not_launched() -> None:
    web, base = Candidate(name="web", bases=frozenset({"base"})), Candidate(name="base", wave=1)
    built_on = PlannedRelease(name="base", note="promoted, not launched: other images are built on it")
    assert one(base, web) == built_on
    assert one(replace(base, only_base=True)) == built_on
    assert one(web, base) == PlannedRelease(name="web", after=("base",), launch=True)
    assert one(base, web, launch=False) == PlannedRelease(name="base")


def test_what_stays_down_is_launched_only_where_it_is_named() -> None:
    web = Candidate(name="web", down="stays down")
    assert one(web) == PlannedRelease(name="web", note="promoted, not launched: it stays down")
    assert one(replace(web, named=True)).launch
    assert one(web, launch=False).note == ""


def test_a_release_is_held_back_by_what_failed_before_it() -> None:
    release = PlannedRelease(name="web", after=("base", "db"))
    assert held_back(release, ["db", "other"]) == ("db, which it needs, was refused or undone",)
    assert held_back(release, ["other"]) == ()

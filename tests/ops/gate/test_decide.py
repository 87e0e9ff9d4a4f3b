"""The end of a session, on the engine in memory: what is recorded, promoted, launched, refused and reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import EngineError
from kharness.ops.gate.decide import Gate
from kharness.ops.gate.facts import Observed
from kharness.ops.gate.inputs import inputs_of
from kharness.ops.gate.inputs import tests_digest as digest_of
from kharness.ops.image.build import build
from kharness.ops.session.pytests import ChildResult
from kharness.plan.gate.refusals import Collected, GateFacts, TestOutcome
from kharness.plan.gate.result import ServiceVerdict
from kharness.plan.release.verification import collected_record, finished_record
from kharness.plan.session.modes import Mode
from tests.ops.world import World

SETTINGS = "release: {verify_for: 0s}"
TEST = "def test_it(): ...\n"
REPORT = {"$report_type": "TestReport", "nodeid": "test_web.py::test_it", "outcome": "passed", "when": "call"}
GOOD = (collected_record(1, []), REPORT, finished_record())
BAD = (collected_record(1, []), {**REPORT, "outcome": "failed"}, finished_record())


class Child:
    """Stands for the pytest process that tests production; `ran` has its arguments."""

    def __init__(self, records: tuple[dict[str, Any], ...] = GOOD, status: int = 0) -> None:
        self.records, self.status = records, status
        self.ran: list[tuple[Any, ...]] = []

    def run(self, *args: Any) -> ChildResult:
        self.ran.append(args)
        return ChildResult(status=self.status, output="", records=self.records)


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """The file in which the host's notify command puts what it gets."""
    return tmp_path / "told"


def gate(world: World, told: Path, child: Child | None = None, **more: Any) -> Gate:
    more = {"session": "s1", "mode": Mode.STANDALONE, "show": lambda: None, **more}
    replayed: list[dict[str, Any]] = []
    harness = world.harness(notify=("sh", "-c", f"cat >> {told}"))
    return Gate(harness=harness, run=(child or Child()).run, replay=replayed.extend, **more)


def observed(world: World, name: str, **more: Any) -> Observed:
    """Build a service, and return what a session observes in which its one test passed."""
    harness, directory = world.harness(), world.directory(name)
    settings = harness.settings(directory)
    built = build(harness, directory, settings)
    test = Collected(nodeid=f"containers/{name}/test_{name}.py::test_it", file=f"test_{name}.py")
    values: dict[str, Any] = {
        "collected": (test,),
        "in_production": 1,
        "patterns": ("test_*.py",),
        "began": digest_of(directory),
        "candidate": built.image.id,
        "inputs": inputs_of(harness, directory, settings, built, mode=Mode.STANDALONE),
        "seconds": {"build": 1.0},
        **more,
    }
    outcomes = {test.nodeid: TestOutcome.PASSED}
    facts = GateFacts(name=name, image=built.image.id, expected=(test,), outcomes=outcomes)
    return Observed(directory=directory, settings=settings, facts=facts, **values)


def but(seen: Observed, **facts: Any) -> Observed:
    return replace(seen, facts=replace(seen.facts, **facts))


def failed(seen: Observed) -> Observed:
    return but(seen, outcomes=dict.fromkeys(seen.facts.outcomes, TestOutcome.FAILED))


@pytest.fixture
def web(world: World) -> Observed:
    world.add("web", SETTINGS, tests=TEST)
    return observed(world, "web")


def events(told: Path) -> list[tuple[str, str]]:
    lines = told.read_text().splitlines() if told.exists() else []
    return [(each["event"], each["container"]) for each in map(json.loads, lines)]


def test_what_passed_is_recorded_and_without_a_wish_nothing_is_released(
    world: World, told: Path, web: Observed
) -> None:
    decider = gate(world, told)
    assert decider.decide([web], unproved={}) is False
    (found,) = decider.results()
    assert (found.verdict, found.release, found.live, found.ok) == (ServiceVerdict.PASSED, None, False, True)
    assert dict(found.seconds) == {"build": 1.0}
    assert web.inputs is not None
    verdict = world.harness().state.verdict("web", "standalone", web.inputs.key)
    assert verdict is not None
    assert (verdict.passed, verdict.image_id, verdict.tests, verdict.session) == (True, found.image, 1, "s1")
    assert world.tagged("ktools/web:live") is None
    assert events(told) == []


def test_a_promotion_makes_live_what_was_tested_and_not_what_latest_is_now(
    world: World, told: Path, web: Observed
) -> None:
    world.engine.put_image("ktools/web:latest")
    decider = gate(world, told, promote=True)
    assert decider.decide([web], unproved={}) is False
    (found,) = decider.results()
    assert world.tagged("ktools/web:live") == found.image == web.candidate
    assert found.release is not None
    assert (found.release.kind, found.live, "release" in found.seconds) == ("promoted", True, True)
    assert events(told) == [("promoted", "web")]
    again = gate(world, told)
    again.decide([web], unproved={})
    assert again.results()[0].live


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (failed, "1 test failed: test_web.py::test_it"),
        (lambda seen: but(seen, outcomes={}), "1 test not run: test_web.py::test_it"),
        (lambda seen: but(seen, crashes=("gw0: lost",)), "a test worker crashed: gw0: lost"),
        (
            lambda seen: but(seen, partial=("-k x (command line)",)),
            "the selection was partial: -k x (command line)",
        ),
        (lambda seen: replace(seen, began="other"), "settings or tests changed after the session began"),
        (lambda seen: replace(seen, began=None), "settings or tests changed after the session began"),
        (lambda seen: but(seen, image=None, launch_error="web: no"), "web: no"),
        (lambda seen: but(seen, end="exited"), "after its last test the test instance exited"),
    ],
)
def test_what_is_not_proved_is_refused_and_notified(
    world: World, told: Path, web: Observed, change: Callable[[Observed], Observed], reason: str
) -> None:
    child = Child()
    for how in ("promote", "launch"):
        decider = gate(world, told, child, **{how: True})
        assert decider.decide([change(web)], unproved={})
        (found,) = decider.results()
        assert (found.verdict, found.release, found.ok) == (ServiceVerdict.REFUSED, None, False)
        assert reason in found.reasons
        assert world.tagged("ktools/web:live") is None
    assert (child.ran, events(told)) == ([], [("refused", "web")] * 2)


def test_a_failure_is_recorded_and_an_incomplete_session_is_not(world: World, told: Path, web: Observed) -> None:
    assert web.inputs is not None
    gate(world, told).decide([but(web, crashes=("gw0: lost",))], unproved={})
    assert world.harness().state.verdict("web", "standalone", web.inputs.key) is None
    gate(world, told).decide([failed(web)], unproved={})
    verdict = world.harness().state.verdict("web", "standalone", web.inputs.key)
    assert verdict is not None
    assert not verdict.passed


def test_sources_that_changed_since_the_build_are_a_refusal_unless_nothing_was_built(
    world: World, told: Path, web: Observed
) -> None:
    (web.directory.path / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    decider = gate(world, told, promote=True)
    assert decider.decide([web], unproved={})
    assert "the image's sources changed after it was built" in decider.results()[0].reasons
    assert not gate(world, told, promote=True).decide([replace(web, no_build=True)], unproved={})


def test_a_launch_is_verified_by_the_tests_in_production(world: World, told: Path, web: Observed) -> None:
    child = Child()
    decider = gate(world, told, child, launch=True)
    assert not decider.decide([web], unproved={})
    (found,) = decider.results()
    assert found.release is not None
    assert found.release.kind == "launched"
    assert dict(found.verification) == {"test_web.py::test_it": TestOutcome.PASSED}
    assert child.ran == [(web.directory.path, "--in-prod", "--kharness-tests-alone")]
    assert [box.name for box in world.engine.boxes.values() if box.running] == ["web"]


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        (Child(BAD, status=1), "test_web.py::test_it failed in production"),
        (Child(()), "the in-production tests ended with status 0 before they were over"),
        (Child(GOOD[:1] + GOOD[2:]), "only 0 of 1 test marked in_prod ended in production"),
    ],
)
def test_a_launch_that_is_not_verified_is_undone(
    world: World, told: Path, web: Observed, child: Child, reason: str
) -> None:
    decider = gate(world, told, child, launch=True)
    assert decider.decide([web], unproved={})
    (found,) = decider.results()
    assert found.release is not None
    assert (found.verdict, found.release.kind, found.ok, found.live) == (ServiceVerdict.PASSED, "undone", False, False)
    assert any(reason in each for each in found.release.reasons), found.release.reasons
    assert world.tagged("ktools/web:live") is None
    assert not [box for box in world.engine.boxes.values() if box.name == "web"]


def test_an_engine_that_fails_is_a_refusal_of_its_service_alone(world: World, told: Path, web: Observed) -> None:
    world.add("app", SETTINGS, tests=TEST)
    app = observed(world, "app")
    world.engine.fail_on["tag"] = EngineError("no space")
    decider = gate(world, told, promote=True)
    assert decider.decide([app, web], unproved={})
    kinds = [each.release.kind if each.release else "" for each in decider.results()]
    assert "refused" in kinds


def test_what_needs_a_service_that_was_undone_is_held_back(world: World, told: Path) -> None:
    world.add("db", f"{SETTINGS}\nautostart: 2", tests=TEST)
    world.add("web", f"{SETTINGS}\nautostart: 1\ndepends_on: [db]", tests=TEST)
    world.add("app", f"{SETTINGS}\ndepends_on: [web]", tests=TEST)
    world.add("tool", SETTINGS, tests=TEST)
    world.engine.put_image("ktools/db:live")
    world.engine.put_image("ktools/web:live")
    child = Child(BAD, status=1)
    decider = gate(world, told, child, launch=True)
    seen = [observed(world, name) for name in ("app", "db", "web")]
    tool = observed(world, "tool", in_production=0)
    assert decider.decide([*seen, tool], unproved={})
    found = {each.name: each for each in decider.results()}
    assert found["db"].release is not None
    assert found["db"].release.kind == "undone"
    assert found["web"].reasons == ("db, which it needs, was refused or undone",)
    assert found["app"].reasons == ("web, which it needs, was refused or undone",)
    assert "which it needs" not in " ".join(found["tool"].reasons)


def test_a_base_is_promoted_before_what_is_built_on_it_and_not_launched(world: World, told: Path) -> None:
    world.add("base", SETTINGS, tests=TEST)
    world.add("web", SETTINGS, tests=TEST, dockerfile="FROM ktools/base:live\n")
    base = observed(world, "base")
    world.engine.put_image("ktools/base:live")
    web = observed(world, "web", bases=frozenset({"base"}), no_build=True)
    refused = gate(world, told, launch=True)
    assert refused.decide([web, failed(base)], unproved={})
    assert refused.results()[1].reasons == ("its base base was refused",)
    told.unlink()
    decider = gate(world, told, launch=True)
    assert not decider.decide([web, base], unproved={}), decider.results()
    assert events(told) == [("promoted", "base"), ("launched", "web")]
    assert "base: promoted, not launched: other images are built on it" in world.told


def test_broken_settings_refuse_a_release_and_an_interrupt_finishes_nothing(
    world: World, told: Path, web: Observed
) -> None:
    decider = gate(world, told, promote=True, broken={"db": "x: y"})
    assert decider.decide([web], unproved={})
    assert [each.verdict.value for each in decider.results()] == ["broken", "passed"]
    stopped = gate(world, told)
    stopped.decide([web], unproved={})
    assert [each.verdict.value for each in stopped.results(interrupted=True)] == ["interrupted"]


def test_tests_that_touched_production_refuse_their_service(world: World, told: Path, web: Observed) -> None:
    decider = gate(world, told, promote=True)
    assert decider.decide([web], unproved={"web": ("1 path differs",)})
    assert decider.results()[0].reasons == ("1 path differs",)
    assert world.tagged("ktools/web:live") is None


def test_a_session_in_production_decides_nothing_and_reports_all(world: World, told: Path, web: Observed) -> None:
    decider = gate(world, told, mode=Mode.IN_PROD)
    seen = but(failed(web), image="sha256:aa")
    assert decider.decide([seen], unproved={}) is False
    (found,) = decider.results()
    assert (found.verdict, found.image) == (ServiceVerdict.FAILED, "sha256:aa")
    assert found.reasons == ("1 test failed: test_web.py::test_it",)
    assert world.harness().state.verdict_of_image("web", "sha256:aa") is None

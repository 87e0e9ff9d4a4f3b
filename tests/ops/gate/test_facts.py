"""Which tests a service had when it passed and when it was released, and what its directory holds now."""

from __future__ import annotations

from dataclasses import replace

from kharness.ops.gate.facts import (
    Observed,
    complete,
    gone_since_release,
    remember_passed,
    remember_released,
)
from kharness.ops.gate.facts import tests_of_session as of_session
from kharness.ops.gate.inputs import tests_digest as digest_of
from kharness.plan.gate.refusals import Collected, GateFacts
from kharness.plan.session.modes import Mode
from tests.ops.world import World


def test_the_tests_that_passed_are_those_of_that_session_alone(world: World) -> None:
    harness = world.harness()
    remember_passed(harness, "s1", {"web": ["b", "a"]})
    assert of_session(harness, "web", "s1") == ("a", "b")
    assert of_session(harness, "web", "s2") is None
    assert of_session(harness, "db", "s1") is None


def test_tests_of_the_last_release_that_are_gone_are_named(world: World) -> None:
    harness = world.harness()
    assert gone_since_release(harness, "web", ["a"]) == ()
    remember_released(harness, "web", ["a", "b", "c"])
    assert gone_since_release(harness, "web", ["a", "new"]) == ("b", "c")


def test_files_and_tests_that_were_not_collected_are_found_on_disk(world: World) -> None:
    path = world.add("web", "gate: {skips: [test_b], exclude: [slow], fewer: refuse}", tests="def test_a(): ...\n")
    (path / "test_more.py").write_text("def test_b(): ...\n")
    (path / "check_it.py").write_text("def test_c(): ...\n")
    (path / "test_web.py").write_text("def test_a(): ...\ndef test_left(): ...\n")
    directory, harness = world.directory("web"), world.harness()
    test = Collected(nodeid="web/test_web.py::test_a[1]", file="test_web.py")
    other = Collected(nodeid="web/test_prod.py::test_p", file="test_prod.py", marks=frozenset({"in_prod"}))
    seen = Observed(
        directory=directory,
        settings=harness.settings(directory),
        facts=GateFacts(name="web", image="sha256:aa", expected=(test,)),
        collected=(test, other),
        patterns=("test_web.py",),
        declares=True,
        began=digest_of(directory),
    )
    facts = complete(harness, seen, mode=Mode.STANDALONE, candidates={})
    assert facts.files == {"test_web.py", "test_more.py", "settings.yaml"}
    assert facts.other_mode == {"test_prod.py"}
    assert facts.uncollected == ("test_web.py::test_left",)
    assert [sorted(each) for each in (facts.exclude, facts.skips, facts.refuse)] == [["slow"], ["test_b"], ["fewer"]]
    assert (facts.image, facts.changes) == ("sha256:aa", ())
    began = complete(harness, replace(seen, began=None), mode=Mode.STANDALONE, candidates={})
    assert began.changes == ("settings or tests changed after the session began",)

"""Somebody is told of every end that matters, and whatever becomes of that changes no outcome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import LaunchError
from kharness.ops.release.recover import recover
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.release import promote
from kharness.plan.facts import ImageFacts
from tests.ops.release.test_recover import left_in_the_middle
from tests.ops.releases import EVIDENCE, Production, exits

Running = tuple[Production, ImageFacts]


@pytest.fixture
def heard(tmp_path: Path) -> Path:
    return tmp_path / "heard"


def listening(heard: Path) -> dict[str, Any]:
    return {"notify": ("tee", "-a", str(heard))}


def events(heard: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in heard.read_text().splitlines()] if heard.exists() else []


def test_a_launch_and_what_it_replaced_are_told(running: Running, heard: Path) -> None:
    web, old = running
    new = web.image("3")
    web.launch(new, **listening(heard))
    (event,) = events(heard)
    assert (event["event"], event["container"]) == ("launched", "web")
    assert (event["image"], event["previous"]) == (new.id, old.id)
    assert {"reasons", "notes", "host", "who", "at"} < event.keys()


def test_a_launch_that_was_undone_is_told_with_its_reasons(running: Running, heard: Path) -> None:
    web, _ = running
    web.launch(exits(web), **listening(heard))
    (event,) = events(heard)
    assert event["event"] == "undone"
    assert "no database" in event["reasons"][0]


def test_of_a_launch_by_hand_only_a_failure_is_told(running: Running, heard: Path) -> None:
    web, _ = running
    harness, directory = web.world.harness(**listening(heard)), web.world.directory("web")
    relaunch(harness, directory)
    assert events(heard) == []
    web.engine.tag(exits(web).id, "ktools/web:live")
    with pytest.raises(LaunchError):
        relaunch(harness, directory, untested=True)
    (event,) = events(heard)
    assert event["event"] == "undone"


def test_a_promotion_is_told_once(running: Running, heard: Path) -> None:
    web, _ = running
    new = web.image("3")
    for _ in range(2):
        promote(web.world.harness(**listening(heard)), "web", new.id, EVIDENCE)
    assert [event["event"] for event in events(heard)] == ["promoted"]


def test_what_is_recovered_is_told(running: Running, heard: Path) -> None:
    web, _ = running
    left_in_the_middle(web, web.image("3"))
    recover(web.world.harness(**listening(heard)))
    (event,) = events(heard)
    assert (event["event"], event["reasons"]) == ("recovered", ["a launch that was cut short is undone"])


def test_a_command_that_fails_changes_no_outcome_and_is_reported(running: Running) -> None:
    web, _ = running
    done = web.launch(web.image("3"), notify=("false",))
    assert done.kind == "launched"
    assert "web: the notification failed: false: ended with status 1: it printed nothing" in web.world.told

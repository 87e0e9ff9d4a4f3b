"""What a session need not test, on the engine in memory."""

from __future__ import annotations

import time

import pytest

from kharness.host.state.state import Verdict
from kharness.ops.gate.facts import answers_for_host, find_idle, find_unchanged
from kharness.ops.gate.inputs import inputs_of
from kharness.ops.image.build import build
from kharness.ops.release.release import promote
from kharness.plan.release.operation import Provenance
from kharness.plan.session.modes import Mode
from tests.ops.world import World


def passed(world: World, name: str, *, outcome: str = "passed", mode: Mode = Mode.STANDALONE) -> str:
    harness, directory = world.harness(), world.directory(name)
    settings = harness.settings(directory)
    built = build(harness, directory, settings)
    inputs = inputs_of(harness, directory, settings, built, mode=mode)
    verdict = Verdict(
        name=name,
        mode=mode.value,
        inputs=inputs.key,
        image_id=built.image.id,
        outcome="passed" if outcome == "passed" else "failed",
        tests=1,
        at=time.time(),
        session="s1",
    )
    harness.state.record_verdicts([verdict])
    return built.image.id


def unchanged(world: World, mode: Mode = Mode.STANDALONE) -> dict[str, str]:
    harness = world.harness()
    directories = harness.catalog.directories
    settings = {each.name: harness.settings(each) for each in directories if each.name != "bad"}
    return find_unchanged(harness, directories, settings, mode=mode)


def test_what_passed_with_exactly_these_inputs_is_not_tested_again(world: World) -> None:
    for name in ("web", "db", "bad"):
        world.add(name)
    image = passed(world, "web")
    passed(world, "db", outcome="failed")
    passed(world, "bad")
    assert unchanged(world) == {"web": image}
    assert unchanged(world, Mode.PROD_READY) == {}
    (world.directory("web").path / "settings.yaml").write_text("init: false\n")
    assert unchanged(world) == {}


def test_an_image_that_is_gone_is_tested_again(world: World) -> None:
    world.add("web")
    image = passed(world, "web")
    world.engine.untag("ktools/web:latest")
    world.engine.remove_image(image, force=True)
    assert unchanged(world) == {}


@pytest.mark.parametrize(("settings", "idle"), [("{}", ["web"]), ("autostart: 1", [])])
def test_a_fleet_is_tested_in_production_where_it_runs_or_should(world: World, settings: str, idle: list[str]) -> None:
    world.add("web", settings)
    world.add("draft")
    harness = world.harness()
    image = world.engine.put_image("ktools/web:latest")
    promote(harness, "web", image.id, Provenance(session="s1", tests=1))
    known = {each.name: harness.settings(each) for each in harness.catalog.directories}
    assert find_idle(harness, harness.catalog.directories, known) == (["draft"], idle)
    assert find_idle(harness, harness.catalog.directories, {}) == ([], [])


def test_the_first_directory_that_is_tested_answers_for_the_host(world: World) -> None:
    for name in ("app", "db", "web"):
        world.add(name, "policy: {profile: none}" if name == "app" else "{}")
    harness = world.harness()
    settings = {name: harness.settings(world.directory(name)) for name in ("app", "db", "web")}
    assert answers_for_host(harness, settings, settings, out=()) == "db"
    assert answers_for_host(harness, settings, settings, out={"db"}) == "web"
    assert answers_for_host(harness, ["app", "other"], settings, out=()) == ""

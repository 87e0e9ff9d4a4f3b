"""Whether what starts with this host is up, well, and what is live."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.ops.checkup import check_all_up
from kharness.ops.up import up
from kharness.plan.facts import ExecResult, HealthFacts
from tests.ops.world import World

CHECK = HealthFacts(test=("CMD", "healthy"))
FILES = {"/etc/passwd": b"", "/etc/group": b""}


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World.create(tmp_path)
    found.add("web", "autostart: 2\n")
    found.add("job", "autostart: 1\nrestart: no\n")
    found.add("elsewhere", "autostart: 1,host=cellar\n")
    found.add("tool")
    found.engine.put_image("ktools/web:live", health=CHECK, files=FILES)
    found.engine.put_image("ktools/job:live", labels={"fake.exit": "0"}, files=FILES)
    for name in ("web", "job"):
        assert up(found.harness(), found.directory(name)).state == "started"
    return found


def wrong(world: World) -> dict[str, tuple[str, ...]]:
    harness = world.harness()
    return {each.name: each.reasons for each in check_all_up(harness, harness.fleet()[0], host="attic")}


def test_what_is_up_and_a_job_that_is_done_are_well(world: World) -> None:
    assert wrong(world) == {"job": (), "web": ()}


def test_a_job_that_failed_is_not(world: World) -> None:
    world.engine.crash("job", 3)
    assert wrong(world)["job"] == ("exited with 3",)


def test_what_does_not_run_or_is_not_there_is_told(world: World) -> None:
    world.engine.stop("web")
    assert wrong(world)["web"] == ("exited with 143",)
    world.engine.remove("web")
    assert wrong(world)["web"] == ("has no container",)
    world.engine.untag("ktools/web:live")
    assert wrong(world)["web"] == ("has no live image", "has no container")


def test_what_runs_another_image_than_what_is_live_is_told(world: World) -> None:
    before = world.tagged("ktools/web:live")
    after = world.engine.put_image("ktools/web:live", labels={"version": "2"}).id
    assert before
    assert wrong(world)["web"] == (f"runs image {before[7:19]}, and {after[7:19]} is live",)


def test_health_that_the_engine_does_not_know_yet_is_asked_for(world: World) -> None:
    image = world.engine.put_image("ktools/web:live", health=CHECK, labels={"fake.health": "starting"}, files=FILES)
    world.engine.script = lambda *_: ExecResult(0, "", "")
    world.engine.remove("web", force=True)
    up(world.harness(), world.directory("web"))
    assert image.id == world.tagged("ktools/web:live")
    assert wrong(world)["web"] == ()
    world.engine.script = lambda *_: ExecResult(4, "", "")
    assert wrong(world)["web"] == ("runs, and its health check exits with 4",)
    world.engine.fail_on["exec"] = TimeoutError("no answer")
    assert wrong(world)["web"] == ("runs, and its health check does not answer: no answer",)

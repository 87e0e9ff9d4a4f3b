"""Whether what starts with this host is up, well, and what is live."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.ops.fleet.status import check_all_up
from kharness.ops.launch.up import up
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


def test_running_containers_and_finished_jobs_are_well(world: World) -> None:
    assert wrong(world) == {"job": (), "web": ()}


def test_a_failed_job_is_not_well(world: World) -> None:
    world.engine.crash("job", 3)
    assert wrong(world)["job"] == ("exited with 3",)


def test_a_stopped_or_missing_container_is_reported(world: World) -> None:
    world.engine.stop("web")
    assert wrong(world)["web"] == ("exited with 143",)
    world.engine.remove("web")
    assert wrong(world)["web"] == ("has no container",)
    world.engine.untag("ktools/web:live")
    assert wrong(world)["web"] == ("has no live image", "has no container")


def test_a_container_that_does_not_run_the_live_image_is_reported(world: World) -> None:
    before = world.tagged("ktools/web:live")
    after = world.engine.put_image("ktools/web:live", labels={"version": "2"}).id
    assert before
    assert wrong(world)["web"] == (f"runs image {before[7:19]}, and {after[7:19]} is live",)


def test_a_health_check_without_a_result_is_run(world: World) -> None:
    image = world.engine.put_image("ktools/web:live", health=CHECK, labels={"fake.health": "starting"}, files=FILES)
    world.engine.script = lambda *_: ExecResult(0, "", "")
    world.engine.remove("web", force=True)
    up(world.harness(), world.directory("web"), untested=True)
    assert image.id == world.tagged("ktools/web:live")
    assert wrong(world)["web"] == ()
    world.engine.script = lambda *_: ExecResult(4, "", "")
    assert wrong(world)["web"] == ("runs, and its health command 'healthy' exits with 4: no output",)
    world.engine.fail_on["exec"] = TimeoutError("no answer")
    assert wrong(world)["web"] == ("runs, and its health command did not answer: no answer",)


def test_a_health_check_that_has_failed_since_is_found(world: World) -> None:
    world.engine.put_image("ktools/web:live", health=CHECK, files=FILES)
    world.engine.remove("web", force=True)
    up(world.harness(), world.directory("web"), untested=True)
    found = world.engine.container("web")
    assert found is not None
    assert found.health == "healthy"
    answers = [ExecResult(1, "", ""), ExecResult(1, "", ""), ExecResult(0, "", "")]
    world.engine.script = lambda *_: answers.pop(0)
    assert wrong(world)["web"] == ()
    world.engine.script = lambda *_: ExecResult(1, "", "gone")
    assert wrong(world)["web"] == ("runs, and its health command 'healthy' exits with 1: gone",)

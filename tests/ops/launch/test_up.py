"""What does not run is launched; what runs is waited for, until it is ready."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from kharness.errors import EngineError, LaunchError, UsageError
from kharness.ops.launch.up import up, up_and_ready
from kharness.ops.project.production import present
from kharness.ops.project.view import View
from kharness.ops.release.relaunch import relaunch
from kharness.plan.facts import ContainerFacts, ExecResult, HealthFacts
from kharness.settings.flags import from_flags
from tests.ops.world import World

CHECK = HealthFacts(test=("CMD", "healthy"))
FILES = {"/etc/passwd": b"", "/etc/group": b""}


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World.create(tmp_path)
    found.add("db")
    found.engine.put_image("ktools/db:live", files=FILES)
    found.add("tool")
    return found


def test_one_is_launched_unless_it_runs_and_a_dry_run_launches_nothing(world: World) -> None:
    harness, db = world.harness(), world.directory("db")
    live = world.tagged("ktools/db:live")
    would = up(harness, db, dry_run=True)
    assert (would.state, would.image) == ("started", live)
    assert not world.engine.boxes
    assert up(harness, db) == would
    world.engine.put_image("ktools/db:live", labels={"version": "2"})
    again = up(harness, db)
    assert (again.state, again.image, again.live) == ("running", live, world.tagged("ktools/db:live"))
    with pytest.raises(UsageError, match="nothing is live yet"):
        up(harness, world.directory("tool"), dry_run=True)


def test_two_at_once_launch_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Barrier(2)

    def looked(view: View, name: str) -> ContainerFacts | None:
        found = present(view, name)
        both.wait(5)
        return found

    monkeypatch.setattr("kharness.ops.launch.up.present", looked)
    db = world.directory("db")
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda harness: up(harness, db), [world.harness(ready_timeout=5.0)] * 2))
    assert sorted(each.state for each in found) == ["running", "started"]
    assert [each.kind for each in world.harness().state.releases("db")] == ["relaunch"]


def test_what_no_file_says_is_gone_with_the_next_launch_which_says_so(world: World) -> None:
    harness, db = world.harness(), world.directory("db")
    found = relaunch(harness, db, above=(from_flags({"mem_limit": ("64m",)}),))
    world.engine.stop(found.id)
    assert up(harness, db).state == "started"
    assert "db: it ran with --mem-limit, which no file says, and now runs without" in world.told


def test_one_that_runs_is_ready_or_is_waited_for(world: World) -> None:
    world.engine.put_image("ktools/db:live", health=CHECK, labels={"fake.health": "starting"}, files=FILES)
    world.engine.script = lambda *_: ExecResult(0, "", "")
    harness, db = world.harness(), world.directory("db")
    assert up_and_ready(harness, db).state == "started"
    before = world.engine.calls[-1]
    assert up_and_ready(harness, db).state == "running"
    asked = world.engine.calls[world.engine.calls.index(before) :]
    assert "exec" in [call.name for call in asked]
    world.engine.script = lambda *_: ExecResult(4, "", "")
    with pytest.raises(LaunchError, match=r"db: was not ready after 0\.2 s: its health command 'healthy' exits with 4"):
        up_and_ready(harness, db)
    assert world.engine.running == {"db"}
    world.engine.pause("db")
    with pytest.raises(EngineError, match="is paused"):
        up_and_ready(harness, db)


def test_one_that_only_has_to_run_is_given_a_moment_but_only_at_first(world: World) -> None:
    harness, db = world.harness(), world.directory("db")
    up(harness, db)
    world.told.clear()
    looks = []
    for now in (1e12, 0.0):
        world.engine.calls.clear()
        up_and_ready(harness, db, clock=lambda: now)  # noqa: B023 - called at once
        looks.append(len(world.engine.calls))
    assert looks[0] < looks[1]
    assert world.told == []

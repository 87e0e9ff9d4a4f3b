"""What starts with the host, in its order, whatever else does not come up."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import UsageError
from kharness.ops.up import Up, up_all
from kharness.ops.up import up as up_one
from tests.ops.world import World

FLEET = {"db": 1, "web": 2, "cache": 2, "dns": 3}


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World.create(tmp_path)
    for name, wave in FLEET.items():
        found.add(name, f"autostart: {wave}\n")
        found.engine.put_image(f"ktools/{name}:live", files={"/etc/passwd": b"", "/etc/group": b""})
    found.add("tool")
    return found


def up(world: World) -> dict[str, Up]:
    harness = world.harness()
    fleet, broken = harness.fleet()
    assert not broken
    return {found.name: found for found in up_all(harness, fleet, host="attic")}


def test_waves_start_one_after_the_other(world: World) -> None:
    assert {found.state for found in up(world).values()} == {"started"}
    order = [str(call).split()[1] for call in world.engine.calls if call.name == "start"]
    assert order[0] == "db"
    assert set(order[1:3]) == {"web", "cache"}
    assert order[3] == "dns"
    assert world.engine.running == set(FLEET)


def test_what_runs_already_is_left_alone_and_the_rest_is_started(world: World) -> None:
    up(world)
    world.engine.stop("web")
    before = {box.name: box.id for box in world.engine.boxes.values()}
    found = up(world)
    assert {name: each.state for name, each in found.items()} == {
        "db": "running",
        "web": "started",
        "cache": "running",
        "dns": "running",
    }
    after = {box.name: box.id for box in world.engine.boxes.values()}
    assert {name for name in FLEET if before[name] != after[name]} == {"web"}


def test_what_fails_is_told_and_keeps_nothing_else_from_starting(world: World) -> None:
    world.engine.put_image(
        "ktools/db:live", labels={"fake.exit": "3", "fake.logs": "no disk"}, files={"/etc/passwd": b""}
    )
    world.engine.untag("ktools/cache:live")
    found = up(world)
    assert found["db"].state == found["cache"].state == "failed"
    assert "no disk" in found["db"].reason
    assert "nothing is live yet" in found["cache"].reason
    assert world.engine.running == {"web", "dns"}


def test_one_is_launched_unless_it_runs_and_a_dry_run_launches_nothing(world: World) -> None:
    harness, db = world.harness(), world.directory("db")
    live = world.tagged("ktools/db:live")
    would = up_one(harness, db, dry_run=True)
    assert (would.state, would.image) == ("started", live)
    assert not world.engine.boxes
    assert up_one(harness, db) == would
    world.engine.put_image("ktools/db:live", labels={"version": "2"})
    again = up_one(harness, db)
    assert (again.state, again.image, again.live) == ("running", live, world.tagged("ktools/db:live"))
    with pytest.raises(UsageError, match="nothing is live yet"):
        up_one(harness, world.directory("tool"), dry_run=True)

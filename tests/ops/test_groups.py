"""Which containers a group has, and what is done with each."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import ContainerMissingError
from kharness.ops.fleet import Group
from kharness.ops.groups.down_all import down_all, take_down
from kharness.ops.groups.fleet import Fleet
from kharness.ops.groups.restart_all import restart_all, start_again
from kharness.ops.groups.up_all import bring_up, up_all
from kharness.plan.fleet import Hold, stages
from tests.ops.world import World

SETTINGS = {
    "db": "autostart: 2\n",
    "web": "autostart: 2\ndepends_on: [db]\n",
    "cache": "autostart: 1\n",
    "far": "autostart: 1,host=cellar\n",
    "tool": "{}",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World.create(tmp_path)
    for name, text in SETTINGS.items():
        found.add(name, text)
        found.engine.put_image(f"ktools/{name}:live", files={"/etc/passwd": b"", "/etc/group": b""})
    found.add("broken", "autostart: 1\nimagee: x\n")
    return found


def fleet(world: World) -> Fleet:
    harness = world.harness()
    return Fleet(harness=harness, settings=harness.fleet()[0], host="attic")


def staged(group: Group) -> list[list[str]]:
    return [[step.name for step in stage] for stage in stages(group.course)]


def test_what_starts_with_this_host_goes_up_and_comes_down_in_reverse(world: World) -> None:
    ours = fleet(world)
    assert staged(up_all(ours)) == staged(restart_all(ours)) == [["cache"], ["db"], ["web"]]
    assert staged(down_all(ours)) == [["web"], ["db"], ["cache"]]
    assert [up_all(ours).hold, up_all(ours, keep_going=True).hold] == [Hold.WAVES, Hold.NEEDS]
    assert (up_all(ours).timeout, up_all(ours, timeout=7).timeout) == (300, 7)


def test_everything_is_all_that_runs_also_what_cannot_be_read(world: World) -> None:
    bring_up(world.harness(), "tool")
    world.add("broken", "{}")
    world.engine.put_image("ktools/broken:live", files={"/etc/passwd": b"", "/etc/group": b""})
    bring_up(world.harness(), "broken")
    world.add("broken", "imagee: x\n")
    assert staged(down_all(fleet(world), everything=True)) == [["broken", "tool", "web"], ["db"], ["cache"]]
    assert take_down(world.harness(), "broken")["text"] == "stopped: exited with 143"
    assert staged(down_all(fleet(world), everything=True)) == [["tool", "web"], ["db"], ["cache"]]


def test_what_is_done_with_one_is_told_and_is_what_was_said_before(world: World) -> None:
    ours, harness = fleet(world), world.harness()
    up, down, again = up_all(ours), down_all(ours), restart_all(ours)
    live = world.tagged("ktools/db:live")
    assert live
    assert (up.would("db"), down.would("db")) == (f"would run {live[7:19]}", "has no container")
    with pytest.raises(ContainerMissingError):
        again.would("db")
    assert take_down(harness, "db")["text"] == "has no container"
    assert bring_up(harness, "db") == {"text": "started", "notes": [], "failed": False, "data": {"image": live}}
    assert (up.would("db"), down.would("db"), again.would("db")) == (
        "runs already",
        "would be stopped",
        "would be restarted",
    )
    new = world.engine.put_image("ktools/db:live", labels={"version": "2"}).id
    assert bring_up(harness, "db")["notes"] == [f"{new[7:19]} is live; 'kharness run db' launches that"]
    restarted = start_again(harness, "db")
    assert (restarted["text"], len(restarted["notes"])) == ("restarted", 1)
    assert again.would("db") == f"would be restarted; {restarted['notes'][0]}"
    assert take_down(harness, "db")["text"] == "stopped: exited with 143"
    assert take_down(harness, "db")["text"] == "did not run: exited with 143"
    assert down.would("db") == "does not run: exited with 143"

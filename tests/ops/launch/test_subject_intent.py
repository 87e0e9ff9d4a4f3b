"""What a person stopped stays down, whatever starts many containers; a command about the container ends that."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kharness.ops.fleet.course import Fleet
from kharness.ops.fleet.groups import plan_group, work_on
from kharness.ops.fleet.status import check_all_up, others, statuses
from kharness.ops.launch.subject import STAYS_DOWN, why_stays_down
from kharness.ops.launch.up import run, up
from kharness.ops.release.stopping import down, restart
from tests.ops.world import World

FILES = {"/etc/passwd": b"", "/etc/group": b""}


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World.create(tmp_path)
    for name, settings in {"db": "autostart: 1\n", "tool": "{}"}.items():
        found.add(name, settings, tests="def test_it(container): ...\n")
        found.engine.put_image(f"ktools/{name}:live", files=FILES)
        assert up(found.harness(), found.directory(name)).state == "started"
    return found


def test_it_is_left_alone_and_named_by_what_is_about_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "anna")
    harness = world.harness()
    down(harness, "db")
    # Another process, after a reboot: the state is on the disk.
    harness = world.harness()
    ours = Fleet(harness=harness, settings=harness.fleet()[0], host=os.uname().nodename)
    (told,) = [str(found) for found in [why_stays_down(harness, "db")]]
    assert told.startswith("stays down: anna (sudo) stopped it on ")
    assert told.endswith("'kharness up db' ends that")
    assert work_on("up-all", harness, "db")["text"] == told
    assert work_on("restart-all", harness, "db")["text"] == told
    assert (plan_group("up-all", ours).would("db"), plan_group("upgrade-all", ours).left_out["db"]) == (told, told)
    (checked,) = check_all_up(harness, ours.settings)
    assert (checked.reasons, checked.note) == ((), told)
    assert f"db: {told}" in statuses(harness, before={}).notes
    assert world.engine.running == {"tool"}


@pytest.mark.parametrize("act", [up, run, restart])
def test_a_command_about_it_ends_that(world: World, act: Callable[..., Any]) -> None:
    harness = world.harness()
    down(harness, "db")
    act(harness, world.directory("db"))
    assert why_stays_down(harness, "db") is None
    assert world.engine.running == {"db", "tool"}


def test_what_is_stopped_together_is_started_together(world: World) -> None:
    harness = world.harness()
    assert work_on("down-all", harness, "db")["text"].startswith("stopped")
    assert why_stays_down(harness, "db") is None
    assert work_on("up-all", harness, "db")["text"] == "started"


def test_a_dry_run_leaves_no_mark_and_a_mark_that_cannot_be_read_is_none(world: World) -> None:
    harness = world.harness()
    down(harness, "db", dry_run=True)
    assert why_stays_down(harness, "db") is None
    for text in ("{", "[]", '{"who": 1}', "3"):
        harness.state.set_fact(f"{STAYS_DOWN}db", text)
        assert why_stays_down(harness, "db") is None


def test_what_does_not_start_with_the_host_is_counted_and_how_it_stands(world: World) -> None:
    harness = world.harness()
    fleet = harness.fleet()[0]
    assert [(each.name, each.runs, each.state) for each in others(harness, fleet)] == [("tool", True, "runs")]
    world.engine.pause("tool")
    assert [(each.runs, each.state) for each in others(harness, fleet)] == [
        (False, "is paused; 'docker unpause tool' lets it go on")
    ]
    nothing = Fleet(harness=harness, settings={"tool": fleet["tool"]})
    assert plan_group("up-all", nothing).nothing == "0 of 1 start with this host"

"""The fleet of this host: readable settings, waves, bases, running containers."""

from __future__ import annotations

import pytest

from kharness.ops.fleet.course import UNKNOWN, Fleet
from kharness.plan.launch.runspec import RunSpec
from tests.ops.world import World


@pytest.fixture
def fleet(world: World) -> Fleet:
    world.add("db", "autostart: 2\n")
    world.add("web", "autostart: 3,host=cellar\ndepends_on: [db]\n", dockerfile="FROM ktools/db:live\n")
    world.add("broken", "imagee: x\n")
    world.add("odd", dockerfile="FROM\n")
    harness = world.harness()
    return Fleet(harness=harness, settings=harness.fleet()[0], host="attic")


def test_unreadable_settings_are_not_part_of_it(fleet: Fleet) -> None:
    assert (sorted(fleet.settings), fleet.broken) == (["db", "odd", "web"], frozenset({"broken"}))


def test_only_containers_of_this_host_start_with_it(fleet: Fleet) -> None:
    assert fleet.starting() == {"db": 2}
    assert fleet.dependencies() == {"db": (), "odd": (), "web": ("db",)}


def test_an_unreadable_dockerfile_has_no_bases(fleet: Fleet) -> None:
    assert {name: fleet.bases(name) for name in fleet.settings} == {"db": set(), "odd": set(), "web": {"db"}}


def test_a_running_container_without_a_directory_is_left_alone(world: World, fleet: Fleet) -> None:
    world.engine.put_image("x:1")
    for name in ("db", "gone"):
        world.engine.start(world.engine.create(RunSpec(name=name, image="x:1", labels=world.production(name, "x:1"))))
    assert fleet.running() == (("db",), {"gone": UNKNOWN})

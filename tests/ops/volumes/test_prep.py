"""Owners of a container directory's data move to the mapping that the engine has now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kharness.errors import RefusedError, UsageError
from kharness.ops.volumes.prep import shift_owners
from kharness.plan.facts import EngineFacts
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from kharness.plan.volumes.idmap import Moved
from tests.ops.releases import Production
from tests.ops.world import REMOTE, World

BASE = 231072
MAPPED = EngineFacts(id="mapped", root_dir=f"/var/lib/docker/{BASE}.{BASE}", security_options=("name=userns",))
SETTINGS = "volumes: [./data:/d, ./data/inner:/i, ./never:/n, cache:/c, none-yet:/x, /srv:/s:ro]"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World.create(tmp_path / "world", facts=MAPPED)
    made.add("web", SETTINGS)
    (made.volume_root / "web/data/inner").mkdir(parents=True)
    (made.volume_root / "web/data/file").touch()
    (made.volume_root / "web/other").touch()
    (Path(made.engine.create_volume("cache").mountpoint) / "file").touch()
    return made


def shifted(world: World, said: str = "none", *, dry_run: bool = False) -> dict[str, Moved]:
    found = shift_owners(world.harness(), world.directory("web"), said, dry_run=dry_run)
    return {each.said: each for each in found}


def counts(found: dict[str, Moved]) -> dict[str, tuple[int, int] | str]:
    return {said: (each.found.moved, each.found.done) if each.found else each.why for said, each in found.items()}


def test_everything_below_the_declared_volumes_moves_once(world: World) -> None:
    expected = {
        "./data": (3, 0),
        "./never": "is not there",
        "cache": (2, 0),
        "none-yet": "there is no such volume",
        "/srv": f"is not below {world.volume_root}/web, and may be others', too; move it by hand",
    }
    assert counts(shifted(world, dry_run=True)) == expected
    assert (world.volume_root / "web/data").stat().st_uid == 0
    assert counts(shifted(world)) == expected
    assert counts(shifted(world)) == {**expected, "./data": (0, 3), "cache": (0, 2)}
    owned = {path.name: path.stat().st_uid for path in (world.volume_root / "web").rglob("*")}
    assert owned == {"data": BASE, "inner": BASE, "file": BASE, "other": 0}
    assert Path("/srv").stat().st_uid == 0


def test_nothing_moves_while_production_runs(tmp_path: Path) -> None:
    web = Production(tmp_path)
    web.engine._facts_said = MAPPED
    web.launch(web.image("1"))
    before = (web.world.volume_root / "web/data").stat().st_uid
    with pytest.raises(RefusedError, match="web: owners are not moved while web runs; 'docker stop web' first"):
        shifted(web.world, "500000")
    assert shifted(web.world, "500000", dry_run=True)
    assert (web.world.volume_root / "web/data").stat().st_uid == before


def test_nothing_moves_while_somebody_else_mounts_it(world: World) -> None:
    world.engine.put_image("other:1")
    data = str(world.volume_root / "web/data")
    mount = Mount(kind=MountKind.BIND, source=data, target="/x")
    other = world.engine.create(RunSpec(name="other", image="other:1", mounts=(mount,)))
    world.engine.start(other)
    with pytest.raises(RefusedError, match=r"web: owners in \./data are not moved while other has it mounted"):
        shifted(world)
    assert Path(data).stat().st_uid == 0
    world.engine.stop(other)
    assert shifted(world)["./data"].good


def test_an_engine_that_maps_nothing_has_nothing_to_move_to(tmp_path: Path) -> None:
    world = World.create(tmp_path / "plain")
    world.add("web", SETTINGS)
    with pytest.raises(UsageError, match="the engine maps no ids"):
        shifted(world)


def test_files_of_an_engine_elsewhere_are_not_touched(tmp_path: Path) -> None:
    world = World.create(tmp_path / "far", facts=REMOTE)
    world.add("web", SETTINGS)
    with pytest.raises(UsageError, match="ssh://far is not on this host"):
        shifted(world)

"""What is known of a container directory's volumes."""

from __future__ import annotations

from pathlib import Path

from kharness.ops.volumes.snapshots import volumes_of
from kharness.plan.volumes.snapshots import DeclaredVolume, ListedVolume
from kharness.report.volumes import volume_notes, volume_row, volumes_value
from tests.ops.world import REMOTE, World

SETTINGS = """\
    volumes:
      - ./data:/data
      - ./config:/config:ro
      - index:/index
      - {type: bind, source: ./cache, target: /cache, test: empty}
      - {type: bind, source: ./shared, target: /shared, test: same}
      - {type: tmpfs, target: /scratch}
      - /anonymous
    test: {same: [/shared]}
"""


def found(world: World) -> dict[str, DeclaredVolume]:
    world.add("web", SETTINGS)
    return {each.target: each for each in volumes_of(world.harness(), world.directory("web")).volumes}


def test_each_volume_is_told_with_what_a_test_gets_in_its_place(world: World) -> None:
    said = {target: (each.kind, each.read_only, each.in_test) for target, each in found(world).items()}
    assert said == {
        "/data": ("bind", False, "copy"),
        "/config": ("bind", True, "ro"),
        "/index": ("volume", False, "copy"),
        "/cache": ("bind", False, "empty"),
        "/shared": ("bind", False, "same"),
        "/scratch": ("tmpfs", False, "tmpfs"),
        "/anonymous": ("volume", False, "volume"),
    }


def test_what_is_there_is_counted_and_what_is_missing_is_said(world: World) -> None:
    data = world.volume_root / "web" / "data"
    data.mkdir(parents=True)
    data.chmod(0o2750)
    (data / "a").write_bytes(b"x" * 5000)
    volumes = found(world)
    owner = data.stat()
    place = volumes["/data"].place
    assert place == ListedVolume(uid=owner.st_uid, gid=owner.st_gid, mode=0o2750, entries=1, bytes=8192)
    assert volumes["/cache"].place is None
    assert volume_row(volumes["/data"])[4:] == (f"{owner.st_uid}:{owner.st_gid} 2750", "8.2 kB", "1")
    assert volume_row(volumes["/cache"])[4:] == ("missing", "", "")
    assert volume_row(volumes["/scratch"])[1:] == ("(tmpfs)", "rw", "tmpfs", "", "", "")


def test_a_tree_that_cannot_be_counted_is_told_why(world: World) -> None:
    deep = world.volume_root / "web" / "data"
    for _ in range(205):
        deep /= "d"
    deep.mkdir(parents=True)
    world.add("web", SETTINGS)
    facts = volumes_of(world.harness(), world.directory("web"))
    (note,) = volume_notes(facts)
    assert note.startswith("/data: ")
    assert "should not be deeper" in note
    assert volumes_value(facts)["volumes"][0]["place"]["mode"] == "0755"


def test_an_engine_elsewhere_has_its_volumes_elsewhere(tmp_path: Path) -> None:
    world = World.create(tmp_path / "far", facts=REMOTE)
    assert not any(each.known for each in found(world).values())

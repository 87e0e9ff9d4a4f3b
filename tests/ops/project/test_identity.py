"""Nothing of another project is ever changed, by any command: two projects with the same names on one engine."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import ConflictError, ContainerMissingError
from kharness.ops.image.prune import prune
from kharness.ops.project.identity import how_to_remove, productions, whose
from kharness.ops.project.production import must_be_there
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.release import promote
from kharness.plan import labels
from tests.ops.neighbours import EVIDENCE, in_memory, play
from tests.ops.world import World

SETTINGS = "restart: always\nrelease: {verify_for: 0s}\n"
ROUNDS = 40
STEPS = 8


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_whatever_a_project_does_the_other_keeps_what_it_has(tmp_path: Path, seed: int) -> None:
    rounds = list(play(tmp_path, random.Random(seed), STEPS))
    assert len(rounds) == STEPS
    assert [(done, changed) for done, changed in rounds if changed] == []


def test_the_commands_of_that_test_do_something(tmp_path: Path) -> None:
    chance = random.Random(1)
    one, _ = in_memory(tmp_path, chance)
    for _ in range(60):
        one.act(chance)
    harness = one.project.harness()
    kinds = {entry.kind for entry in harness.state.releases()}
    assert {"launch", "promote", "relaunch"} <= kinds
    assert productions(harness)


def test_a_directory_does_not_take_the_name_of_another_project_s_container(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other", world.engine, project="other", repository="other")
    for each in (world, other):
        each.add("web", SETTINGS)
        promote(each.harness(), "web", world.engine.put_image(f"{each.project}:1").id, EVIDENCE)
    relaunch(other.harness(), other.directory("web"))
    with pytest.raises(ConflictError, match=f"belongs to web of project 'other' in {other.path}, and is left alone"):
        relaunch(world.harness(), world.directory("web"))
    assert world.engine.running == {"web"}
    assert productions(world.harness()) == ()
    found = world.engine.container("web")
    assert found is not None
    assert how_to_remove(world.harness(), found) == f"it belongs to web of project 'other' in {other.path}"


def test_a_container_of_a_committed_image_is_a_person_s(world: World) -> None:
    world.add("web", SETTINGS)
    promote(world.harness(), "web", world.engine.put_image("web:1").id, EVIDENCE)
    own = relaunch(world.harness(), world.directory("web"))
    copied = world.engine.commit(own.id, "copy:1")
    spec = replace(world.engine.boxes[own.id].spec, name="aa-look", image=copied.id)
    theirs = world.engine.create(spec)
    world.engine.start(theirs)
    assert must_be_there(world.harness(), "web").id == own.id
    world.engine.remove(own.id, force=True)
    with pytest.raises(ContainerMissingError):
        must_be_there(world.harness(), "web")
    relaunch(world.harness(), world.directory("web"))
    assert world.engine.running == {"web", "aa-look"}


def test_two_projects_that_use_one_repository_are_told_apart_by_their_images(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other", world.engine, project="other")
    for each in (world, other):
        each.add("web", SETTINGS)
    built = world.engine.put_image("ktools/web:latest", labels={labels.PROJECT: "other"})
    with pytest.raises(ConflictError, match="ktools/web:latest was built by project 'other'; set another 'repository'"):
        promote(world.harness(), "web", built.id, EVIDENCE)
    assert world.tagged("ktools/web:live") is None
    promote(other.harness(), "web", built.id, EVIDENCE)


def test_a_volume_directory_that_another_project_s_container_mounts_is_left_alone(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other", world.engine, project="other", repository="other")
    for each, more in ((world, "container_name: mine\n"), (other, "")):
        each.add("web", f"{SETTINGS}{more}volumes: [./data:/data]\n")
        promote(each.harness(dv=world.volume_root), "web", world.engine.put_image(f"{each.project}:1").id, EVIDENCE)
    relaunch(other.harness(dv=world.volume_root), other.directory("web"))
    with pytest.raises(ConflictError, match=rf"{world.volume_root}/web mounted; set another 'dv'"):
        relaunch(world.harness(), world.directory("web"))


def test_prune_leaves_the_builds_of_another_project(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other", world.engine, project="other", repository="other")
    world.add("web")
    other.add("web")
    theirs, ours = (
        world.engine.put_image(f"x:{name}", labels={labels.DIGEST: "d", labels.NAME: "web", labels.PROJECT: name})
        for name in ("other", "shop")
    )
    for each, image in ((other, theirs), (world, ours)):
        each.harness().state.record_build(name="web", image_id=image.id, digest="d", base="", at=1.0)
    for name in ("other", "shop"):
        # A later build has taken the tag.
        world.engine.put_image(f"x:{name}")
    assert [each.what for each in prune(world.harness())] == [f"image {ours.id[7:19]}"]
    assert world.engine.image(theirs.id) is not None


def test_prune_leaves_the_releases_of_a_project_with_the_same_repository(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other", world.engine, project="other")
    for each in (world, other):
        each.add("web", SETTINGS)
    for number in range(4):
        image = world.engine.put_image(f"x:{number}", labels={labels.PROJECT: "other"})
        promote(other.harness(), "web", image.id, EVIDENCE)
    before = {tag for image in world.engine.images() for tag in image.tags}
    assert tuple(prune(world.harness(), keep=1)) == ()
    assert any("web: left alone: web: ktools/web:live was built by project 'other'" in told for told in world.told)
    assert {tag for image in world.engine.images() for tag in image.tags} == before


def test_a_container_whose_labels_are_in_its_image_is_a_person_s(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("web", SETTINGS)
    baked = {labels.ROLE: labels.ROLE_PRODUCTION, labels.PROJECT: world.project, labels.NAME: "web"}
    image = world.engine.put_image("evil:1", labels=baked)
    monkeypatch.chdir("/")
    for folder in ({}, {labels.FOLDER: str(world.path)}):
        promote(world.harness(), "web", world.engine.put_image("web:1").id, EVIDENCE)
        own = relaunch(world.harness(), world.directory("web"))
        spec = replace(world.engine.boxes[own.id].spec, name="evil", image=image.id, labels={**baked, **folder})
        theirs = world.engine.create(spec)
        assert [each.id for each in productions(world.harness())] == [own.id]
        found = world.engine.container(theirs)
        assert found is not None
        assert whose(world.harness(), found) == "was made by hand from an image that has the labels of web"
        world.engine.remove(theirs, force=True)

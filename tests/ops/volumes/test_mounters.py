"""Anonymous volumes of production: a release carries them over, and removes none that may hold data."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.ops.image.prune import prune
from kharness.ops.launch.up import up
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.rollback import roll_back
from kharness.ops.release.stopping import down
from kharness.ops.volumes.mounters import known_volumes
from kharness.plan.facts import EngineFacts, short_id
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.release.carry import anonymous_volumes
from tests.ops.releases import SETTINGS, Production

DECLARED = {"volumes": ("/declared",)}
UNNAMED = SETTINGS.replace("volumes: [./data:/data]", "volumes: [./data:/data, /unnamed]")


@pytest.fixture
def keeps(tmp_path: Path) -> Production:
    """Production that keeps data in a VOLUME of its image, and in a volume without a source."""
    web = Production(tmp_path / "web", UNNAMED)
    assert web.launch(web.image("1", **DECLARED)).ok
    return web


def volumes(web: Production) -> dict[str, str]:
    """Return the anonymous volumes of what has production's name."""
    found = web.engine.container("web")
    assert found is not None
    return anonymous_volumes(found.mounts)


def test_every_kind_of_release_carries_them_over(keeps: Production) -> None:
    web, before = keeps, volumes(keeps)
    assert before.keys() == {"/declared", "/unnamed"}
    new = web.image("2", **DECLARED)
    assert web.launch(new).ok
    assert volumes(web) == before
    harness, directory = web.world.harness(), web.world.directory("web")
    relaunch(harness, directory)
    assert volumes(web) == before
    assert roll_back(harness, directory, verify=lambda: ()).ok
    assert volumes(web) == before
    down(harness, "web")
    up(harness, directory)
    assert volumes(web) == before
    assert web.engine.vols.keys() == {*before.values()}


def test_a_launch_that_is_undone_takes_only_what_was_made_for_it(keeps: Production) -> None:
    web, before = keeps, volumes(keeps)
    new = web.image("2", volumes=("/declared", "/added"))
    during: list[set[str]] = []

    def verify() -> tuple[str, ...]:
        during.append({*web.engine.vols})
        return ("no",)

    assert web.launch(new, verify=verify).kind == "undone"
    assert len(during[0]) == len(before) + 1
    assert volumes(web) == before
    assert web.engine.vols.keys() == {*before.values()}


def test_what_has_no_place_any_more_stays_and_is_named_and_found_again(keeps: Production) -> None:
    web, before = keeps, volumes(keeps)
    first = short_id(web.snapshot().live)
    done = web.launch(web.image("2"))
    assert any(
        f"/declared is no volume any more; its anonymous volume {before['/declared']}" in note for note in done.notes
    )
    assert volumes(web) == {"/unnamed": before["/unnamed"]}
    assert before["/declared"] in web.engine.vols
    [*_] = prune(web.world.harness(), keep=1)
    assert before["/declared"] in web.engine.vols
    back = roll_back(web.world.harness(), web.world.directory("web"), to=first, verify=lambda: ())
    assert any(f"/declared is the anonymous volume {before['/declared']} again" in note for note in back.notes)
    assert volumes(web) == before


def test_a_container_that_somebody_removed_after_it_was_stopped_has_them_again(keeps: Production) -> None:
    web, before = keeps, volumes(keeps)
    down(web.world.harness(), "web")
    web.engine.remove("web", volumes=False)
    up(web.world.harness(), web.world.directory("web"))
    assert volumes(web) == before
    assert any(f"/declared is the anonymous volume {before['/declared']} again" in text for text in web.world.told)


def test_those_that_somebody_removed_are_not_missed(keeps: Production) -> None:
    web, before = keeps, volumes(keeps)
    web.engine.remove("web", force=True, volumes=True)
    assert known_volumes(web.world.harness(), "web") == {}
    up(web.world.harness(), web.world.directory("web"))
    assert not {*volumes(web).values()} & {*before.values()}


def test_two_projects_with_a_service_of_one_name_never_share_them(keeps: Production) -> None:
    web = keeps
    assert known_volumes(web.world.harness(), "web") == volumes(web)
    assert known_volumes(web.world.harness(repository="others"), "web") == {}


def test_an_image_that_runs_already_is_the_same_whatever_was_carried_over(keeps: Production) -> None:
    web = keeps
    new = web.image("2", **DECLARED)
    assert web.launch(new).kind == "launched"
    assert web.launch(new).kind == "unchanged"


def test_a_candidate_that_was_left_and_never_ran_goes_with_its_own(keeps: Production) -> None:
    web, before = keeps, volumes(keeps)
    image = web.image("2", **DECLARED)
    said = web.world.production("web", image.id)
    web.engine.create(RunSpec(name="web.new", image=image.id, labels=said))
    assert web.launch(image).ok
    assert web.engine.vols.keys() == {*before.values()}


def test_a_container_of_that_other_name_that_ran_leaves_its_volumes(keeps: Production) -> None:
    web, before = keeps, volumes(keeps)
    image = web.image("2", **DECLARED)
    other = web.engine.create(RunSpec(name="web.old", image=image.id, labels=web.world.production("web", image.id)))
    web.engine.start(other)
    web.engine.stop(other)
    theirs = {mount.name for mount in web.engine.boxes[other].mounts}
    assert web.launch(image).ok
    assert other not in web.engine.boxes
    assert web.engine.vols.keys() == {*before.values(), *theirs}


def test_on_podman_what_was_carried_over_outlives_the_candidate_and_the_old_container(keeps: Production) -> None:
    web, before = keeps, volumes(keeps)
    web.engine._facts_said = EngineFacts(id="fake", podman=True)
    seen: list[bool] = []
    web.engine.after = lambda call: seen.append(call.kwargs.get("volumes", True)) if call.name == "remove" else None
    assert web.launch(web.image("2", **DECLARED), verify=lambda: ("no",)).kind == "undone"
    assert seen == [False]
    assert volumes(web) == before


def test_a_production_container_that_is_made_again_has_them(keeps: Production) -> None:
    web, before = keeps, volumes(keeps)

    def verify() -> tuple[str, ...]:
        # Somebody prunes stopped containers while the new one is verified.
        web.engine.remove("web.old", volumes=False)
        return ("no",)

    assert web.launch(web.image("2", **DECLARED), verify=verify).kind == "undone"
    assert volumes(web) == before

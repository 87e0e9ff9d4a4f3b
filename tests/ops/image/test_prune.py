"""What pruning takes, and what it leaves for a roll-back."""

from __future__ import annotations

import time

import pytest

from kharness.errors import EngineError
from kharness.host.locks import lock
from kharness.ops.image.prune import prune
from kharness.ops.release.rollback import earlier
from kharness.plan.facts import ImageFacts
from tests.ops.release.test_recover import left_in_the_middle
from tests.ops.releases import Production
from tests.ops.world import PROJECT


@pytest.fixture
def released(web: Production) -> tuple[Production, list[ImageFacts]]:
    images = [web.image(str(number)) for number in range(6)]
    for number, image in enumerate(images):
        web.launch(image)
        web.engine.untag(f"built/web:{number}")
    return web, images


def built(digest: str) -> dict[str, str]:
    """Return the labels of an image of this project's `web`."""
    return {"kharness.digest": digest, "kharness.name": "web", "kharness.project": PROJECT}


def here(web: Production, images: list[ImageFacts]) -> list[int]:
    return [number for number, image in enumerate(images) if web.engine.image(image.id)]


def test_the_last_releases_stay_and_the_rest_goes(released: tuple[Production, list[ImageFacts]]) -> None:
    web, images = released
    found = tuple(prune(web.world.harness(), keep=3))
    assert here(web, images) == [3, 4, 5]
    assert len(found) == 3
    assert all(pruned.what.startswith("web:release-") for pruned in found)
    assert [each.here for each in earlier(web.world.harness(), "web")] == [True, True, False, False, False]
    assert tuple(prune(web.world.harness(), keep=3)) == ()


def test_a_dry_run_removes_nothing(released: tuple[Production, list[ImageFacts]]) -> None:
    web, images = released
    assert len(tuple(prune(web.world.harness(), keep=1, dry_run=True))) == 4
    assert len(here(web, images)) == 6


def test_what_ran_before_stays_however_few_are_kept(released: tuple[Production, list[ImageFacts]]) -> None:
    web, images = released
    assert len(tuple(prune(web.world.harness(), keep=1))) == 4
    assert here(web, images) == [4, 5]


def test_builds_that_nothing_names_go_and_other_peoples_images_stay(web: Production) -> None:
    ours = web.engine.put_image("ktools/web:latest", labels=built("d"))
    theirs = web.engine.put_image("nginx:1")
    web.launch(ours)
    newer = web.engine.put_image("ktools/web:latest", labels=built("e"))
    newest = web.engine.put_image("ktools/web:latest", labels=built("f"))
    for each in (ours, newer, newest):
        web.world.harness().state.record_build(name="web", image_id=each.id, digest="d", base="", at=1.0)
    (pruned,) = prune(web.world.harness())
    assert pruned.what == f"image {newer.id.removeprefix('sha256:')[:12]}"
    assert [web.engine.image(each.id) is not None for each in (ours, theirs, newer, newest)] == [
        True,
        True,
        False,
        True,
    ]


def test_a_commit_of_production_and_what_a_person_built_on_it_stay(web: Production) -> None:
    ours = web.engine.put_image("ktools/web:latest", labels=built("d"))
    web.world.harness().state.record_build(name="web", image_id=ours.id, digest="d", base="", at=1.0)
    web.launch(ours)
    own = web.engine.container("web")
    assert own is not None
    committed = web.engine.commit(own.id, "x:1")
    by_hand = web.engine.put_image("x:2", labels=built("d"))
    for tag in ("x:1", "x:2"):
        web.engine.put_image(tag)
    assert web.engine.image(committed.id) is not None
    assert tuple(prune(web.world.harness())) == ()
    assert web.engine.image(committed.id) is not None
    assert web.engine.image(by_hand.id) is not None


def test_a_directory_with_a_release_under_way_is_left_alone_and_the_others_are_not(
    released: tuple[Production, list[ImageFacts]],
) -> None:
    web, images = released
    web.world.add("abc", "image: nginx:1")
    for minute in (0, 1):
        made = web.engine.put_image(f"ktools/abc:release-20260501-12000{minute}-000")
    with lock(web.world.harness().locks, "release-web", timeout=0):
        found = tuple(prune(web.world.harness(), keep=1))
    assert [pruned.what for pruned in found] == ["abc:release-20260501-120000-000"]
    assert web.engine.image(made.id) is not None
    assert len(here(web, images)) == 6
    assert any("web: left alone: release-web is locked by" in text for text in web.world.told)


def test_what_was_built_today_stays_for_the_session_that_tests_it(web: Production) -> None:
    ours = web.engine.put_image("ktools/web:latest", labels=built("d"))
    web.world.harness().state.record_build(name="web", image_id=ours.id, digest="d", base="", at=time.time())
    web.engine.put_image("ktools/web:latest", labels=built("e"))
    assert tuple(prune(web.world.harness())) == ()
    assert web.engine.image(ours.id) is not None


def test_what_the_journal_goes_back_to_stays(running: tuple[Production, ImageFacts]) -> None:
    web, old = running
    left_in_the_middle(web, web.image("3"))
    web.engine.fail_on["remove"] = EngineError("busy")
    assert not [pruned for pruned in prune(web.world.harness(), keep=1) if web.engine.image(old.id) is None]
    assert web.engine.image(old.id) is not None

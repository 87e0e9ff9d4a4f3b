"""What pruning takes, and what it leaves for a roll-back."""

from __future__ import annotations

import pytest

from kharness.errors import HostError
from kharness.host.locks import lock
from kharness.ops.prune import prune
from kharness.ops.rollback import earlier
from kharness.plan.facts import ImageFacts
from tests.ops.releases import Production


@pytest.fixture
def released(web: Production) -> tuple[Production, list[ImageFacts]]:
    images = [web.image(str(number)) for number in range(6)]
    for number, image in enumerate(images):
        web.launch(image)
        web.engine.untag(f"built/web:{number}")
    return web, images


def here(web: Production, images: list[ImageFacts]) -> list[int]:
    return [number for number, image in enumerate(images) if web.engine.image(image.id)]


def test_the_last_releases_stay_and_the_rest_goes(released: tuple[Production, list[ImageFacts]]) -> None:
    web, images = released
    found = prune(web.world.harness(), keep=3)
    assert here(web, images) == [3, 4, 5]
    assert len(found) == 3
    assert all(pruned.what.startswith("web:release-") for pruned in found)
    assert [each.here for each in earlier(web.world.harness(), "web")] == [True, True, False, False, False]
    assert prune(web.world.harness(), keep=3) == ()


def test_a_dry_run_removes_nothing(released: tuple[Production, list[ImageFacts]]) -> None:
    web, images = released
    assert len(prune(web.world.harness(), keep=1, dry_run=True)) == 4
    assert len(here(web, images)) == 6


def test_what_ran_before_stays_however_few_are_kept(released: tuple[Production, list[ImageFacts]]) -> None:
    web, images = released
    prune(web.world.harness(), keep=1)
    assert here(web, images) == [4, 5]


def test_builds_that_nothing_names_go_and_other_peoples_images_stay(web: Production) -> None:
    ours = web.engine.put_image("ktools/web:latest", labels={"kharness.digest": "d", "kharness.name": "web"})
    theirs = web.engine.put_image("nginx:1")
    web.launch(ours)
    newer = web.engine.put_image("ktools/web:latest", labels={"kharness.digest": "e", "kharness.name": "web"})
    newest = web.engine.put_image("ktools/web:latest", labels={"kharness.digest": "f", "kharness.name": "web"})
    (pruned,) = prune(web.world.harness())
    assert pruned.what == f"image {newer.id.removeprefix('sha256:')[:12]}"
    assert [web.engine.image(each.id) is not None for each in (ours, theirs, newer, newest)] == [
        True,
        True,
        False,
        True,
    ]


def test_nothing_is_taken_from_under_a_release(released: tuple[Production, list[ImageFacts]]) -> None:
    web, images = released
    with lock(web.world.harness().locks, "release-web", timeout=0), pytest.raises(HostError, match="is locked by"):
        prune(web.world.harness(), keep=1)
    assert len(here(web, images)) == 6

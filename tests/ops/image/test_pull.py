"""When an image that settings name is pulled."""

from __future__ import annotations

import time

import pytest

from kharness.errors import ImageMissingError
from kharness.ops.image.build import Built, build
from kharness.ops.image.pull import PULLED
from tests.ops.world import World

REF = "registry.example/web:1"


def pulled(world: World, policy: str) -> Built:
    world.add("web", f"{{image: '{REF}', pull_policy: {policy}}}")
    harness = world.harness()
    directory = harness.catalog.select("web", prefix=False)
    return build(harness, directory, harness.settings(directory))


def asked(world: World) -> int:
    return len(world.engine.called("pull"))


@pytest.mark.parametrize("policy", ["missing", "if_not_present", "never", "build"])
def test_an_image_that_is_on_the_engine_alone_is_used(world: World, policy: str) -> None:
    image = world.engine.put_image(REF)
    assert (pulled(world, policy).image.id, asked(world)) == (image.id, 0)


def test_never_names_the_key_where_there_is_no_image(world: World) -> None:
    with pytest.raises(ImageMissingError, match="'pull_policy: never' of web pulls nothing"):
        pulled(world, "never")
    assert asked(world) == 0


def test_always_asks_the_registry_and_takes_no_other_image(world: World) -> None:
    world.engine.put_image(REF)
    with pytest.raises(ImageMissingError):
        pulled(world, "always")
    world.engine.put_remote(REF)
    assert pulled(world, "always").image is not None
    assert asked(world) == 2


def test_daily_pulls_again_after_a_day(world: World) -> None:
    world.engine.put_remote(REF)
    pulled(world, "daily")
    pulled(world, "daily")
    assert asked(world) == 1
    world.harness().state.set_engine_fact(f"{PULLED}{REF}", str(int(time.time()) - 90_000))
    pulled(world, "weekly")
    assert asked(world) == 1
    pulled(world, "every_24h")
    assert asked(world) == 2

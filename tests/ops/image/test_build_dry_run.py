"""A dry run prints the plan that a build carries out, and changes nothing."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from kharness.errors import UsageError
from kharness.ops.image.build import Built, build, would_build
from kharness.plan.facts import short_id
from tests.ops.releases import READING
from tests.ops.world import World


def built(world: World, name: str = "web") -> Built:
    harness = world.harness()
    directory = harness.catalog.select(name, prefix=False)
    return build(harness, directory, harness.settings(directory))


def planned(world: World, name: str = "web", **how: Any) -> str:
    harness = world.harness()
    directory = harness.catalog.select(name, prefix=False)
    before = len(world.engine.calls)
    plan = would_build(harness, directory, harness.settings(directory), **how)
    assert {call.name for call in world.engine.calls[before:]} <= set(READING)
    return str(plan)


def test_what_would_be_built_is_told(world: World) -> None:
    world.add("web", files={"x": "1"})
    assert planned(world) == "would be built"
    image = built(world).image.id
    assert planned(world) == f"{short_id(image)} is unchanged"
    assert planned(world, rebuild=True).startswith("would be built again without the cache")
    world.add("web", files={"x": "2"})
    assert planned(world) == "would be built"


def test_what_would_be_fetched_first_is_told(world: World) -> None:
    content = b"more"
    digest = hashlib.sha256(content).hexdigest()
    settings = f"build: {{download: [{{url: 'https://never.invalid/x', sha256: {digest}, target: /x}}]}}"
    world.add("web", settings, dockerfile="FROM alpine:3\n")
    told = "would be built, after alpine:3 was pulled and https://never.invalid/x was downloaded"
    assert planned(world) == told
    world.engine.put_image("alpine:3")
    cache = world.path / "state" / "downloads"
    cache.mkdir(parents=True)
    (cache / digest).write_bytes(content)
    assert planned(world) == "would be built"


def test_a_root_image_is_not_made_to_tell(world: World) -> None:
    world.add("web", dockerfile="ARG KHARNESS_BASE\nFROM ${KHARNESS_BASE}\n")
    assert planned(world) == "would be built, after its root image was made or pulled"


def test_a_base_of_ours_that_is_not_there_is_an_error_as_it_would_be(world: World) -> None:
    world.add("base")
    world.add("web", dockerfile="FROM ktools/base:live\n")
    with pytest.raises(UsageError, match="its base ktools/base:live does not exist yet"):
        planned(world)


def test_what_would_be_pulled_is_told(world: World) -> None:
    world.add("web", "image: nginx:1")
    assert planned(world) == "nginx:1 would be pulled"
    image = world.engine.put_image("nginx:1").id
    assert planned(world) == f"{short_id(image)} would be tagged"
    built(world)
    assert planned(world) == f"{short_id(image)} is unchanged"
    assert planned(world, rebuild=True) == "nginx:1 would be pulled"


def test_a_dry_run_knows_the_root_image_of_every_repository(world: World) -> None:
    world.add("web", dockerfile="ARG KHARNESS_BASE\nFROM ${KHARNESS_BASE}\n")
    world.engine.put_image("ktools/base:alpine-3.23")
    harness = world.harness(repository="mine")
    directory = harness.catalog.select("web", prefix=False)
    assert str(would_build(harness, directory, harness.settings(directory))) == "would be built"
    assert harness.state.engine_fact("base") is None


def test_a_dry_run_of_a_rebuild_misses_what_the_rebuild_would(world: World) -> None:
    world.add("base")
    world.add("web", dockerfile="FROM ktools/base:live\n")
    with pytest.raises(UsageError, match="its base ktools/base:live does not exist yet"):
        planned(world, rebuild=True)

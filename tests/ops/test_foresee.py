"""What would be done is said, and nothing is done."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from kharness.errors import UsageError
from kharness.ops.build import build
from kharness.ops.foresee import would_build, would_recover, would_respond
from kharness.ops.rebuild import rebuild, would_rebuild
from kharness.ops.response import Asked
from kharness.plan.drift import Drifted, Scanned, Verdict
from kharness.plan.facts import ImageFacts, short_id
from tests.ops.releases import READING, Production
from tests.ops.test_recover import left_in_the_middle
from tests.ops.world import World

Running = tuple[Production, ImageFacts]


def foreseen(world: World, name: str = "web", **how: Any) -> str:
    harness = world.harness()
    directory = harness.catalog.select(name, prefix=False)
    before = len(world.engine.calls)
    told = would_build(harness, directory, harness.settings(directory), **how)
    assert {call.name for call in world.engine.calls[before:]} <= set(READING)
    return told


def build_now(world: World, name: str = "web") -> str:
    harness = world.harness()
    directory = harness.catalog.select(name, prefix=False)
    return build(harness, directory, harness.settings(directory)).image.id


def test_what_would_be_built_is_told(world: World) -> None:
    world.add("web", files={"x": "1"})
    assert foreseen(world) == "would be built"
    image = build_now(world)
    assert foreseen(world) == f"{short_id(image)} is unchanged"
    assert foreseen(world, rebuild=True).startswith("would be built anew")
    world.add("web", files={"x": "2"})
    assert foreseen(world) == "would be built"


def test_what_would_be_fetched_first_is_told(world: World) -> None:
    content = b"more"
    digest = hashlib.sha256(content).hexdigest()
    settings = f"build: {{download: [{{url: 'https://never.invalid/x', sha256: {digest}, target: /x}}]}}"
    world.add("web", settings, dockerfile="FROM alpine:3\n")
    told = "would be built, after alpine:3 was pulled and https://never.invalid/x was downloaded"
    assert foreseen(world) == told
    world.engine.put_image("alpine:3")
    cache = world.path / "state" / "downloads"
    cache.mkdir(parents=True)
    (cache / digest).write_bytes(content)
    assert foreseen(world) == "would be built"


def test_a_root_image_is_not_made_to_tell(world: World) -> None:
    world.add("web", dockerfile="ARG KHARNESS_BASE\nFROM ${KHARNESS_BASE}\n")
    assert foreseen(world) == "would be built, after its root image was made or pulled"


def test_a_base_of_ours_that_is_not_there_is_an_error_as_it_would_be(world: World) -> None:
    world.add("base")
    world.add("web", dockerfile="FROM ktools/base:live\n")
    with pytest.raises(UsageError, match="its base ktools/base:live does not exist yet"):
        foreseen(world)


def test_what_would_be_pulled_is_told(world: World) -> None:
    world.add("web", "image: nginx:1")
    assert foreseen(world) == "nginx:1 would be pulled"
    image = world.engine.put_image("nginx:1").id
    assert foreseen(world) == f"{short_id(image)} would be tagged"
    build_now(world)
    assert foreseen(world) == f"{short_id(image)} is unchanged"
    assert foreseen(world, rebuild=True) == "nginx:1 would be pulled"


def test_what_would_be_recovered_is_told(running: Running) -> None:
    web, _ = running
    assert would_recover(web.world.harness()) == ()
    left_in_the_middle(web, web.image("3"))
    before = web.snapshot()
    assert would_recover(web.world.harness()) == (
        "web: a launch that was cut short would be undone, unless somebody is at it",
    )
    assert web.snapshot() == before
    assert web.world.harness().state.operations()


def test_what_a_new_ledger_would_have_is_told(running: Running) -> None:
    web, _ = running
    with pytest.raises(UsageError, match="can be read"):
        would_rebuild(web.world.harness())
    path = web.world.harness().state.path
    for part in path.parent.glob("state.db*"):
        part.unlink()
    path.write_bytes(b"not a database at all" * 100)
    told = would_rebuild(web.world.harness())
    assert path.read_bytes().startswith(b"not a database")
    _, entries = rebuild(web.world.harness())
    assert told.endswith(f"would know of {len(entries)} images that were live")


def test_what_would_be_done_about_drift_is_told(running: Running) -> None:
    web, live = running
    left = (Drifted(path="/x", kind="added"), Drifted(path="/y", kind="changed"))
    found = (
        Scanned(name="web", container="web", id="1", verdict=Verdict(left=left)),
        Scanned(name="ok", container="ok", id="2"),
        Scanned(name="gone", container="gone", id="3", verdict=Verdict(left=left[:1])),
    )
    web.forget()
    asked = Asked(snapshot=True, remove=True, restart=True)
    done = [(each.name, each.text, each.good) for each in would_respond(web.world.harness(), found, asked)]
    assert done == [
        ("web", "the evidence would be saved", True),
        ("web", "/x would be removed", True),
        ("web", "/y stays: it was changed, which cannot be undone here", False),
        ("web", f"would run {short_id(live.id)} in a new container", True),
        ("gone", "the evidence would be saved", True),
        ("gone", "/x would be removed", True),
        ("gone", "nothing is live to launch", False),
    ]
    assert web.changes() == ()

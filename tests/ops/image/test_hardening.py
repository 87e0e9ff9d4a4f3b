"""What hardening did is remembered of layers: found for every image that has them, and forgotten with the last one."""

from __future__ import annotations

import re

import pytest

from kharness.errors import UsageError
from kharness.ops.image.build import build
from kharness.ops.image.hardening import ImageHardening, hardening_of, keep_report
from kharness.ops.image.prune import prune
from kharness.plan import labels
from kharness.plan.image.hardening import Deed, Hardening
from tests.ops.world import World

TOLD = "RUN echo prep+ a begin alpine\nRUN echo prep+ a did sbin removed {names}\nRUN echo prep+ a end {count}\n"


def told(*names: str, count: int | None = None) -> str:
    """Return steps that print what /prep does."""
    return TOLD.format(names=" ".join(names), count=len(names) if count is None else count)


def built(world: World, name: str = "web", *, dockerfile: str | None = None) -> str:
    world.add(name, dockerfile=dockerfile or f"FROM scratch\n{told('/sbin/x')}")
    harness = world.harness()
    directory = world.directory(name)
    return build(harness, directory, harness.settings(directory)).image.id


def found(world: World, name: str = "web", *, live: bool = False) -> ImageHardening:
    return hardening_of(world.harness(), world.directory(name), live=live)


def done(world: World, name: str = "web", *, live: bool = False) -> Hardening:
    record = found(world, name, live=live).record
    assert record is not None
    return record.hardening


def removed(*names: str) -> tuple[Deed, ...]:
    return (Deed(step="sbin", what="removed", names=names),)


def test_what_a_build_tells_is_kept_and_not_shown(world: World) -> None:
    image = built(world)
    known = found(world)
    assert known.record is not None
    assert (known.record.image_id, known.record.name, known.inherited) == (image, "web", False)
    assert done(world) == Hardening(family="alpine", done=removed("/sbin/x"))
    assert "web: building" in world.told
    assert not [line for line in world.told if "prep+" in line and "RUN" not in line]


def test_latest_and_live_are_told_apart(world: World) -> None:
    world.engine.tag(built(world), "ktools/web:live")
    built(world, dockerfile=f"FROM scratch\n{told('/sbin/y')}")
    assert done(world).done == removed("/sbin/y")
    assert done(world, live=True).done == removed("/sbin/x")


def test_an_image_that_is_built_on_it_has_what_was_done(world: World) -> None:
    first = built(world, "base")
    world.engine.tag(first, "ktools/base:live")
    built(world, dockerfile="FROM ktools/base:live\nLABEL a=1\n")
    known = found(world)
    assert known.record is not None
    assert (known.inherited, known.record.image_id) == (True, first)
    assert done(world) == done(world, "base")


def test_what_was_done_last_to_the_same_layers_counts_unless_that_was_nothing(world: World) -> None:
    image = world.engine.image(built(world))
    assert image is not None
    nothing, more = (["prep+ c begin alpine", *lines] for lines in (["prep+ c end 0"], ["prep+ c did s w /y"]))
    keep_report(world.harness(), "web", image, nothing)
    assert done(world).done == removed("/sbin/x")
    keep_report(world.harness(), "web", image, more)
    assert done(world).done == (Deed(step="s", what="w", names=("/y",)),)


def test_a_report_with_a_gap_is_kept_and_the_gap_is_said(world: World) -> None:
    built(world, dockerfile=f"FROM scratch\n{told('/sbin/x', count=7)}")
    assert not done(world).whole
    assert [line for line in world.told if re.match(r"web: a part of the report of /prep .* has gaps", line)]


@pytest.mark.parametrize(
    ("live", "message"),
    [(False, "web: there is no ktools/web:latest; 'kharness build web' makes it"), (True, "web: nothing is live yet")],
)
def test_an_image_that_does_not_exist_is_an_error(world: World, message: str, *, live: bool) -> None:
    world.add("web")
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        found(world, live=live)


def test_where_nothing_is_known_the_reason_is_said(world: World) -> None:
    built(world, "plain", dockerfile="FROM scratch\nUSER web\n")
    assert "its Dockerfile does not run /prep, or that step came from" in found(world, "plain").why
    assert "'kharness build plain --rebuild' runs every step" in found(world, "plain").why

    world.add("pulled", "image: nginx:1")
    world.engine.put_image("ktools/pulled:latest", labels={labels.NAME: "pulled"})
    assert found(world, "pulled").why.startswith("it was pulled, not built here")

    built(world, "web")
    world.engine.put_image("ktools/web:latest", layers=("elsewhere",))
    assert "is of no build that is recorded here" in found(world).why


def test_what_was_done_is_forgotten_with_the_last_image_that_has_the_layers(world: World) -> None:
    first = built(world)
    world.engine.put_image("built/child:1", layers=(first, "more"), labels={labels.DIGEST: "d"})
    built(world, "other", dockerfile=f"FROM scratch\n{told('/sbin/y')}")
    state = world.harness().state
    before = state.hardened()
    assert len(before) == 2

    world.engine.remove_image(first, force=True)
    list(prune(world.harness()))
    assert state.hardened() == before

    world.engine.remove_image("built/child:1")
    list(prune(world.harness(), dry_run=True))
    assert state.hardened() == before
    list(prune(world.harness()))
    assert len(state.hardened()) == 1
    assert done(world, "other").done == removed("/sbin/y")
    assert any("forgot what hardening did to images that are gone (1)" in line for line in world.told)

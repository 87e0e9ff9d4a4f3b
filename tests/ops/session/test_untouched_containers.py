"""What became of production's containers during a session, and whose doing it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kharness.host.state.state import Entry
from kharness.ops.session.untouched import Productions, Witness
from kharness.plan.facts import ImageFacts
from kharness.plan.session.untouched import Proof
from kharness.plan.text import moment
from tests.ops.watched import looked, run
from tests.ops.world import World


@pytest.fixture(autouse=True)
def image(world: World) -> ImageFacts:
    return world.engine.put_image("web:1")


def crash(world: World) -> None:
    world.engine.set_restart("web", "always")
    world.engine.crash("web")


PRODUCTION: list[tuple[str, Callable[[World], object]]] = [
    ("was restarted (started ", lambda world: (world.engine.stop("web"), world.engine.start("web"))),
    ("was restarted by the engine (restarts 0 -> 1)", crash),
    ("was removed", lambda world: world.engine.remove("web", force=True)),
    (
        "was replaced (",
        lambda world: (world.engine.remove("web", force=True), run(world, "web", world.path)),
    ),
]


@pytest.mark.parametrize(("said", "happens"), PRODUCTION, ids=[said for said, _ in PRODUCTION])
def test_production_s_container_must_be_what_it_was(
    world: World, said: str, happens: Callable[[World], object]
) -> None:
    run(world, "web", world.path)
    witness = looked(world)
    happens(world)
    (reason,) = witness.verdict().failures["web"]
    assert reason.startswith(f"production's container web {said}")
    assert reason.endswith(" during the session")


@pytest.mark.parametrize(("since", "excused"), [(11.0, True), (86_400.0, False)])
def test_a_crash_loop_from_before_the_session_is_not_its_doing(world: World, since: float, *, excused: bool) -> None:
    container = run(world, "web", world.path)
    crash(world)
    world.engine.start("web")
    (before,) = (each.started_at for each in world.engine.containers() if each.id == container)
    started = moment(before)
    assert started is not None
    productions = Productions(world.harness(), clock=lambda: started.timestamp() + since)
    productions.remember("web", "web", world.engine.containers(), of="web")
    crash(world)
    (found,) = productions.findings(world.engine.containers())
    assert "was restarted by the engine (restarts 1 -> 2)" in found.text
    assert (not found.of) is excused


def test_what_else_happens_to_a_container_in_a_crash_loop_is_not_excused(world: World) -> None:
    run(world, "web", world.path)
    crash(world)
    productions = Productions(world.harness())
    productions.remember("web", "web", world.engine.containers(), of="web")
    world.engine.remove("web", force=True)
    (found,) = productions.findings(world.engine.containers())
    assert found.of == {"web"}


def test_a_production_container_that_appears_is_a_change(world: World) -> None:
    witness = looked(world)
    run(world, "web", world.path)
    assert witness.verdict().failures == {"web": ("production's container web appeared during the session",)}


def test_production_that_stays_as_it_is_needs_one_list_and_one_look(world: World) -> None:
    run(world, "web", world.path)
    world.engine.calls.clear()
    assert looked(world).verdict() == Proof()
    assert [call.name for call in world.engine.calls] == ["containers", "container"] * 2


def test_a_container_under_another_name_is_known_by_its_labels(world: World) -> None:
    run(world, "web", world.path)
    witness = Witness(world.harness())
    witness.begin({"web": "new-name"})
    world.engine.stop("web")
    world.engine.start("web")
    assert "new-name was restarted" in witness.verdict().failures["web"][0]


@pytest.mark.parametrize(("kind", "excused"), [("launch", True), ("undone", True), ("promote", False)])
def test_what_another_session_released_meanwhile_is_only_said(
    world: World, image: ImageFacts, kind: str, *, excused: bool
) -> None:
    run(world, "web", world.path)
    witness = looked(world)
    world.engine.stop("web")
    world.engine.start("web")
    entry = Entry(
        name="web",
        kind=kind,
        image_id=image.id,
        previous=None,
        digest=None,
        commit=None,
        who="somebody",
        at=0.0,
        session="s2",
        tests=1,
    )
    world.harness().state.record_release(entry)
    proof = witness.verdict()
    assert (proof.failures == {}) is excused
    assert (len(proof.notes) == 1 and proof.notes[0].endswith(": web was released meanwhile")) is excused


def test_a_container_that_the_session_itself_restarted_is_looked_at_again(world: World) -> None:
    run(world, "web", world.path)
    witness = looked(world)
    world.engine.stop("web")
    world.engine.start("web")
    witness.begin({"web": "web"})
    assert witness.verdict().failures == {}

"""A session launches test instances on networks of its own and removes all that it made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import ConflictError, EngineError, KharnessError, LaunchError, UsageError
from kharness.ops.session.instance import InstanceFacts
from kharness.ops.session.reap import reap
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.modes import Mode
from kharness.testing.recording import Call
from tests.ops.sessions import NAME, VOLUMES, opened, rest, web
from tests.ops.world import OWNER, World


def test_an_instance_runs_under_a_name_of_its_session_on_a_network_without_a_way_out(
    world: World, image: ImageFacts
) -> None:
    session = opened(world)
    facts = session.launch(web(world, image, "expose: [80]"))
    assert world.engine.running == {NAME}
    (network,) = [net for net in world.engine.nets.values() if net.labels]
    assert (network.name, network.internal) == ("kharness-s1", True)
    assert facts.container == NAME
    assert (facts.name, facts.mode, facts.image, facts.ports) == ("web", "standalone", image.id, ("80/tcp",))
    assert facts.address
    assert InstanceFacts.from_json(facts.to_json()) == facts
    session.close()
    assert rest(world) == []


def test_the_engine_is_asked_for_an_instance_as_it_was_created_and_as_it_started_and_no_more(
    world: World, image: ImageFacts
) -> None:
    session = opened(world)
    session.launch(web(world, image, "expose: [80]"))
    session.close()
    calls = [call.name for call in world.engine.calls if call.name in {"create", "container", "start", "remove"}]
    assert calls == ["create", "container", "start", "container", "remove"]


def test_an_instance_is_removed_by_its_name_where_the_answer_to_its_creation_got_lost(
    world: World, image: ImageFacts
) -> None:
    def lose(call: Call) -> None:
        if call.name == "create":
            raise EngineError("the answer got lost")

    session = opened(world)
    world.engine.after = lose
    with pytest.raises(EngineError, match="got lost"):
        session.launch(web(world, image, "expose: [80]"))
    assert list(world.engine.boxes)
    session.close()
    assert rest(world) == []


def test_everything_that_is_made_says_whose_it_is(world: World, image: ImageFacts) -> None:
    opened(world, keep="failed").launch(web(world, image, VOLUMES))
    owned = {
        labels.ROLE: labels.ROLE_TEST,
        labels.SESSION: "s1",
        labels.KEEP: "failed",
        **OWNER.labels(),
    }
    made = [*world.engine.boxes.values()]
    for said in (made[0].spec.labels, world.engine.nets["kharness-s1"].labels, world.engine.vols[f"{NAME}-1"].labels):
        assert owned.items() <= said.items()


def test_what_was_made_is_removed_from_last_to_first(world: World, image: ImageFacts) -> None:
    session = opened(world)
    session.launch(web(world, image, VOLUMES))
    copy = world.path / "state" / "copies" / "s1" / NAME / "0"
    network = world.engine.nets["kharness-s1"].id
    seen: dict[str, bool] = {}
    world.engine.before = lambda call: seen.update({call.name: copy.is_dir()})
    session.close()
    assert [call for call in world.engine.called() if call.startswith("remove")] == [
        f"remove {NAME}",
        f"remove_volume {NAME}-1",
        f"remove_network {network}",
    ]
    assert (seen["remove"], seen["remove_network"]) == (True, False)
    assert rest(world) == []


BROKEN: list[tuple[str, Callable[[World], ImageFacts]]] = [
    ("does not start", lambda world: world.engine.put_image("bad:1", labels={"fake.start": "no such file"})),
    ("exited with 3", lambda world: world.engine.put_image("bad:1", labels={"fake.exit": "3"})),
    ("nothing listens", lambda world: world.engine.put_image("bad:1", labels={"fake.listens": "no"})),
    ("there is no image", lambda _: ImageFacts(id="sha256:none")),
]


@pytest.mark.parametrize(("said", "broken"), BROKEN, ids=[said for said, _ in BROKEN])
def test_what_a_failed_launch_made_goes_with_the_session(
    world: World, said: str, broken: Callable[[World], ImageFacts]
) -> None:
    session = opened(world)
    with pytest.raises(KharnessError, match=said):
        session.launch(web(world, broken(world), f"{VOLUMES}expose: [80]"))
    session.close()
    assert rest(world) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_whichever_call_fails_nothing_is_left_that_a_later_session_does_not_remove(tmp_path: Path, when: str) -> None:
    number = 0
    while True:
        world = World.create(tmp_path / str(number))
        image = world.engine.put_image("web:1", files={"/etc/passwd": b"", "/etc/group": b""})
        failed: list[str] = []
        seen: list[Call] = []

        def strike(call: Call, *, at: int = number, failed: list[str] = failed, seen: list[Call] = seen) -> None:
            seen.append(call)
            if len(seen) == at + 1:
                failed.append(call.name)
                raise EngineError("flaky")

        setattr(world.engine, when, strike)
        session = opened(world)
        with suppress(EngineError):
            session.launch(web(world, image, f"{VOLUMES}test: {{egress: true}}"))
        if not failed:
            break
        setattr(world.engine, when, lambda _: None)
        session.close()
        # An answer that got lost leaves what nobody knows of; its labels say that its owner is dead.
        assert rest(world) == [] or (when == "after" and failed[0].startswith("create_")), failed
        reap(world.harness(owner=replace(OWNER, boot="b2")))
        assert rest(world) == [], failed
        number += 1
    assert number > 8


def test_a_removal_that_fails_stops_no_other(world: World, image: ImageFacts) -> None:
    session = opened(world, launch_parallel=1)
    subject = web(world, image, VOLUMES)
    session.launch(subject)
    session.launch(subject, suffix="-2")

    def refuse(call: Call) -> None:
        if str(call) == f"remove {NAME}":
            raise EngineError("busy")

    world.engine.before = refuse
    with pytest.raises(KharnessError):
        session.close()
    assert f"{NAME}-2" not in rest(world)
    assert NAME in rest(world)


@pytest.mark.parametrize(("mode", "advised"), [(Mode.STANDALONE, True), (Mode.PROD_READY, False)])
def test_a_start_that_fails_on_empty_volumes_says_that_they_are_empty(
    world: World, mode: Mode, *, advised: bool
) -> None:
    broken = world.engine.put_image("broken:1", labels={"fake.exit": "1"})
    session = opened(world, mode=mode)
    with pytest.raises(LaunchError) as caught:
        session.launch(web(world, broken, VOLUMES))
    assert ("hint: in a stand-alone test /data, /cache is empty; --prod-ready" in str(caught.value)) is advised


def test_a_closed_session_launches_nothing(world: World, image: ImageFacts) -> None:
    session = opened(world)
    session.close()
    with pytest.raises(LaunchError, match="the session was interrupted"):
        session.launch(web(world, image))
    assert rest(world) == []


@pytest.mark.parametrize("moment", ["create_network", "create_volume", "create", "start", "container"])
@pytest.mark.parametrize("settings", [VOLUMES, f"{VOLUMES}test: {{egress: true}}"], ids=["shared", "own"])
def test_a_session_that_is_closed_while_it_launches_leaves_nothing(
    world: World, image: ImageFacts, moment: str, settings: str
) -> None:
    session = opened(world)
    threads: list[threading.Thread] = []

    def interrupt(call: Call) -> None:
        if call.name == moment and not threads:
            threads.append(threading.Thread(target=session.close))
            threads[0].start()
            # Whoever launches may hold the lock that the closing thread waits for.
            threads[0].join(timeout=0.2)

    world.engine.after = interrupt
    with suppress(KharnessError):
        session.launch(web(world, image, settings))
    threads[0].join()
    assert rest(world) == []


def test_one_instance_can_be_removed_while_others_stay(world: World, image: ImageFacts) -> None:
    session = opened(world)
    subject = web(world, image)
    session.launch(subject)
    session.launch(subject, suffix="-2")
    session.remove(NAME)
    session.remove("one that there never was")
    assert world.engine.running == {f"{NAME}-2"}
    session.close()
    assert rest(world) == []


def test_a_container_of_that_name_that_is_not_the_session_s_stays(world: World, image: ImageFacts) -> None:
    world.engine.create(RunSpec(name=NAME, image="web:1"))
    session = opened(world)
    with pytest.raises(ConflictError):
        session.launch(web(world, image))
    session.close()
    assert rest(world) == [NAME]


def test_a_second_instance_needs_a_name_of_its_own(world: World, image: ImageFacts) -> None:
    session = opened(world)
    session.launch(web(world, image))
    with pytest.raises(UsageError, match="say a suffix"):
        session.launch(web(world, image))
    session.close()
    assert rest(world) == []


def test_what_is_kept_survives_with_its_volumes_and_the_network(world: World, image: ImageFacts) -> None:
    session = opened(world, keep="always")
    subject = web(world, image, VOLUMES)
    session.launch(subject)
    session.launch(subject, suffix="-2")
    session.keep(NAME)
    session.remove(NAME)
    session.close()
    assert session.kept == {NAME}
    assert world.engine.running == {NAME}
    assert set(rest(world)) == {NAME, "kharness-s1", f"{NAME}-1", str(world.path / "state" / "copies" / "s1")}
    assert (world.path / "state" / "copies" / "s1" / NAME / "0").is_dir()


def test_production_s_secrets_do_not_get_into_a_test_instance(world: World, image: ImageFacts) -> None:
    with pytest.raises(UsageError, match="env_file: production's values do not go into a test instance"):
        opened(world).launch(web(world, image, "env_file: production.env"))
    assert "create" not in {call.name for call in world.engine.calls}

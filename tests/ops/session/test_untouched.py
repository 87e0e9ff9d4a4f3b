"""What a session did to production is found, and what others did is told apart from it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import EngineError
from kharness.ops.session.session import TestSession
from kharness.ops.session.untouched import Witness
from kharness.plan.facts import ContainerFacts, EngineFacts, ImageFacts
from kharness.plan.launch.mounts import VolumeAction, VolumePlan
from kharness.plan.launch.runspec import Mount, MountKind
from kharness.plan.session.modes import Mode
from kharness.plan.session.untouched import Proof
from tests.ops.sessions import rest, web
from tests.ops.watched import copied, looked, run
from tests.ops.world import World

CHANGED = "production's data was changed during the session: "


@pytest.fixture
def data(world: World) -> Path:
    place = world.volume_root / "web" / "data"
    (place / "sub").mkdir(parents=True)
    (place / "real").write_text("of customers")
    return place


@pytest.fixture(autouse=True)
def image(world: World) -> ImageFacts:
    return world.engine.put_image("web:1", files={"/etc/passwd": b"", "/etc/group": b""})


def beside(data: Path) -> Path:
    place = data.with_name("data2")
    place.mkdir()
    return place


def write(data: Path) -> None:
    (data / "real").write_text("of a test, and longer")


def test_what_nobody_touched_is_counted(world: World, data: Path) -> None:
    proof = looked(world, data).verdict()
    assert (proof.failures, proof.notes) == ({}, ())
    assert (proof.directories, proof.entries) == (1, 3)
    assert proof.seconds > 0


def test_where_nothing_was_launched_nothing_is_asked(world: World) -> None:
    assert Witness(world.harness()).verdict() == Proof()
    assert world.engine.calls == []


def test_a_change_fails_the_directory_and_names_the_path(world: World, data: Path) -> None:
    witness = looked(world, data)
    write(data)
    proof = witness.verdict()
    (reason,) = proof.failures["web"]
    assert reason.startswith(f"{CHANGED}{data}: 1 path differs\nreal: size 12 -> 21, mtime ")
    assert (proof.notes, proof.directories) == ((), 0)


def test_a_directory_that_is_gone_is_a_change(world: World, data: Path) -> None:
    witness = looked(world, data)
    data.rename(data.parent / "elsewhere")
    assert ".: removed" in witness.verdict().failures["web"][0]


def test_a_file_as_a_source_is_looked_at_too(world: World, data: Path) -> None:
    witness = looked(world, data / "real")
    write(data)
    assert "/real: 1 path differs\n.: size 12 -> 21" in witness.verdict().failures["web"][0]


def test_a_same_size_change_with_its_time_restored_needs_contents(world: World, data: Path) -> None:
    for contents, text in ((False, "OF customers"), (True, "of CUSTOMERS")):
        witness = looked(world, data, contents=contents)
        found = (data / "real").stat()
        (data / "real").write_text(text)
        os.utime(data / "real", ns=(found.st_atime_ns, found.st_mtime_ns))
        said = [reason.splitlines()[1:] for reason in witness.verdict().failures.get("web", ())]
        assert said == ([["real: content"]] if contents else [])


@pytest.mark.parametrize("action", list(VolumeAction))
def test_only_what_is_copied_is_looked_at(world: World, data: Path, action: VolumeAction) -> None:
    witness = Witness(world.harness())
    witness.before("web", "web", "web", (copied(data, action),))
    assert witness.copied is (action in {VolumeAction.COPY, VolumeAction.TREE})


def test_what_is_not_there_is_not_copied(world: World, data: Path) -> None:
    witness = looked(world, data / "missing")
    assert not witness.copied
    assert witness.verdict().directories == 0


def test_on_another_host_nothing_is_looked_at(tmp_path: Path) -> None:
    world = World.create(tmp_path / "far", facts=EngineFacts(id="far", local=False))
    tmp_path.joinpath("data").mkdir()
    assert not looked(world, tmp_path / "data").copied


def test_a_named_volume_is_looked_at_where_the_engine_has_it(world: World) -> None:
    place = Path(world.engine.create_volume("cache").mountpoint)
    plan = VolumePlan(
        mount=Mount(kind=MountKind.VOLUME, source="test-0", target="/c"), action=VolumeAction.COPY, real="cache"
    )
    gone = VolumePlan(mount=plan.mount, action=VolumeAction.COPY, real="missing")
    witness = Witness(world.harness())
    witness.before("web", "web", "web", (plan, gone))
    (place / "new").touch()
    assert f"{CHANGED}{place}: 2 paths differ" in witness.verdict().failures["web"][0]


def test_a_directory_of_several_instances_is_looked_at_once_and_fails_all_of_them(world: World, data: Path) -> None:
    witness = looked(world, data)
    write(data)
    witness.before("other", "other", "other", (copied(data),))
    failures = witness.verdict().failures
    assert failures["web"] == failures["other"] != ()
    assert witness.names == ("other", "web")


def test_what_a_container_needs_fails_the_one_whose_tests_ran(world: World, data: Path) -> None:
    run(world, "db", data, start=False)
    witness = Witness(world.harness())
    witness.begin({"web": "web"})
    witness.before("web", "db", "db", (copied(data),))
    write(data)
    world.engine.start("db")
    world.engine.stop("db")
    assert set(witness.verdict().failures) == {"web"}


def test_instances_that_are_launched_at_once_wait_for_the_first_look(world: World, data: Path) -> None:
    witness = Witness(world.harness())
    threads = [
        threading.Thread(target=witness.before, args=(name, name, name, (copied(data),))) for name in ("a", "b", "c")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proof = witness.verdict()
    assert (proof.directories, proof.failures) == (1, {})
    assert witness.names == ("a", "b", "c")


def test_odd_names_are_said_in_a_line_that_can_be_printed(world: World, data: Path) -> None:
    witness = looked(world, data)
    (data / "new\nline\udcff").touch()
    (reason,) = witness.verdict().failures["web"]
    assert "\nnew\\nline\\xff: added" in reason
    assert reason.encode()


WRITERS: list[tuple[str, Callable[[World, Path], object], Callable[[World, Path], object]]] = [
    ("runs all the time", lambda world, data: run(world, "web", data), lambda _w, _d: None),
    ("ran at the beginning", lambda world, data: run(world, "db", data), lambda world, _: world.engine.stop("db")),
    ("runs at the end", lambda _w, _d: None, lambda world, data: run(world, "db", data)),
    ("mounts what is above", lambda world, data: run(world, "db", data.parent.parent), lambda _w, _d: None),
    (
        "was started and stopped",
        lambda world, data: run(world, "db", data, start=False),
        lambda world, _: (world.engine.start("db"), world.engine.stop("db")),
    ),
    (
        "came and was stopped",
        lambda _w, _d: None,
        lambda world, data: world.engine.stop(run(world, "db", data)),
    ),
    ("is nobody's", lambda world, data: run(world, "stranger", data), lambda _w, _d: None),
]


@pytest.mark.parametrize(("said", "first", "then"), WRITERS, ids=[said for said, _, _ in WRITERS])
def test_what_a_running_container_may_have_written_is_said_and_fails_nothing(
    world: World,
    data: Path,
    said: str,
    first: Callable[[World, Path], object],
    then: Callable[[World, Path], object],
) -> None:
    first(world, data)
    witness = looked(world, data)
    write(data)
    then(world, data)
    proof = witness.verdict()
    assert proof.failures == {}, said
    (note,) = proof.notes
    assert note.startswith(f"{data}: 1 path changed during the session; ")
    assert note.endswith(" ran with it mounted writable, and may have done that")
    assert proof.directories == 0


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ("only reads", lambda world, data: run(world, "db", data, read_only=True)),
        ("did not run", lambda world, data: run(world, "db", data, start=False)),
        ("had stopped", lambda world, data: world.engine.stop(run(world, "db", data))),
        ("is a test's", lambda world, data: run(world, "db", data, test=True)),
        ("mounts a part where nothing changed", lambda world, data: run(world, "db", data / "sub")),
        ("mounts something else", lambda world, data: run(world, "db", beside(data))),
    ],
)
def test_a_container_that_cannot_have_written_is_no_excuse(
    world: World, data: Path, said: str, first: Callable[[World, Path], object]
) -> None:
    first(world, data)
    witness = looked(world, data)
    write(data)
    proof = witness.verdict()
    assert set(proof.failures) == {"web"}, said
    assert proof.notes == ()


def test_an_engine_whose_list_has_no_mounts_is_asked_for_each_container(tmp_path: Path, data: Path) -> None:
    world = World.create(tmp_path / "podman", facts=EngineFacts(id="podman", podman=True))
    world.engine.put_image("web:1")
    run(world, "db", data)
    listed = world.engine.containers

    def without(**said: Mapping[str, str | None] | None) -> tuple[ContainerFacts, ...]:
        return tuple(replace(each, raw={}) for each in listed(**said))

    world.engine.containers = without  # type: ignore[method-assign]
    witness = looked(world, data)
    write(data)
    proof = witness.verdict()
    assert (proof.failures, len(proof.notes)) == ({}, 1)


def test_who_may_write_into_a_part_is_no_excuse_for_the_rest(world: World, data: Path) -> None:
    run(world, "db", data / "sub")
    witness = looked(world, data)
    (data / "sub/new").touch()
    write(data)
    proof = witness.verdict()
    assert f"{data}: 1 path differs\nreal: size" in proof.failures["web"][0]
    assert proof.notes[0].startswith(f"{data}: 2 paths changed during the session; db ran with")


def test_an_engine_that_does_not_answer_proves_nothing(world: World, data: Path) -> None:
    witness = looked(world, data)
    world.engine.fail_on["containers"] = EngineError("gone")
    with pytest.raises(EngineError):
        witness.verdict()


def test_a_session_looks_before_it_copies_and_its_own_instances_change_nothing(
    world: World, image: ImageFacts, data: Path
) -> None:
    harness = world.harness()
    witness = Witness(harness)
    session = TestSession(harness, session="s1", mode=Mode.PROD_READY, witness=witness)
    subject = web(world, image, "volumes: [./data:/data, {type: bind, source: ./sub, target: /sub, test: tree}]")
    facts = session.launch(subject)
    session.launch(subject, suffix="-2")
    (Path(facts.volumes["/data"]) / "real").write_text("of a test")
    session.close()
    assert rest(world) == []
    assert witness.verdict().directories == 1
    write(data)
    assert set(witness.verdict().failures) == {"web"}


def test_a_stand_alone_session_copies_nothing(world: World, image: ImageFacts, data: Path) -> None:
    assert data.exists()
    harness = world.harness()
    witness = Witness(harness)
    session = TestSession(harness, session="s1", mode=Mode.STANDALONE, witness=witness)
    session.launch(web(world, image, "volumes: [./data:/data]"))
    session.close()
    assert not witness.copied
    assert witness.names == ("web",)

"""A container is ended for good: production and images go, history and every byte of data stay."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kharness.errors import ConflictError, EngineError, LockedError, RefusedError, StateError, UsageError
from kharness.host.locks import lock
from kharness.host.state.state import State, Verdict
from kharness.ops.fleet.status import statuses
from kharness.ops.harness import Harness
from kharness.ops.launch.dry_run import would_recover
from kharness.ops.launch.subject import why_stays_down
from kharness.ops.launch.up import up
from kharness.ops.project.known import known_names
from kharness.ops.project.retire import retire
from kharness.ops.release.recover import recover
from kharness.ops.release.rollback import earlier, was_released
from kharness.ops.volumes.backup import backup
from kharness.ops.volumes.mounters import known_volumes
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from kharness.plan.release.operation import Kind, Operation, Provenance
from kharness.report.project import retirement_lines
from kharness.testing.recording import Call
from tests.ops.cutting import killed
from tests.ops.releases import SETTINGS, Production
from tests.ops.world import World

DATA = SETTINGS.replace("[./data:/data]", '["./data:/data", "rows:/rows", "/cache"]')


@pytest.fixture
def web(tmp_path: Path) -> Production:
    return launched(tmp_path / "web")


def launched(path: Path) -> Production:
    """Production with a directory, a named and an anonymous volume, in its second version."""
    web = Production(path, DATA)
    assert web.launch(web.image("1")).kind == "launched"
    assert web.launch(web.image("2")).kind == "launched"
    (web.world.volume_root / "web" / "data" / "row").write_text("1")
    web.forget()
    return web


def remove_directory(web: Production) -> None:
    shutil.rmtree(web.world.tree.path / "web")


def data_of(web: Production) -> tuple[str, frozenset[str]]:
    return (web.world.volume_root / "web" / "data" / "row").read_text(), frozenset(web.engine.vols)


def kinds(web: Production) -> list[str]:
    return [row.kind for row in web.world.harness().state.releases("web")]


def refs(web: Production) -> list[str]:
    return [ref for ref in web.engine.store.refs if ref.startswith("ktools/web:")]


@pytest.mark.parametrize("who", ["a directory", "a container"])
def test_a_volume_that_others_use_is_named_without_what_removes_it(web: Production, who: str) -> None:
    if who == "a directory":
        web.world.add("other", "image: nginx:1\nvolumes: [rows:/rows]\n")
    else:
        image = web.engine.put_image("theirs:1")
        mount = Mount(kind=MountKind.VOLUME, source="rows", target="/r", read_only=False)
        web.engine.create(RunSpec(name="theirs", image=image.id, mounts=(mount,)))
    said = "\n".join(line.text for line in retirement_lines(retire(web.world.harness(), "web")))
    assert "stays: rows (volume at /rows" in said
    assert "docker volume rm rows" not in said
    assert "it may have other users" in said


def test_production_and_images_go_and_history_and_data_stay(web: Production) -> None:
    before = data_of(web)
    found = retire(web.world.harness(), "web")
    assert found.containers == ("web",)
    assert {tag.partition(":")[2].partition("-")[0] for tag in found.tags} == {"live", "prev", "release"}
    assert (web.engine.boxes, refs(web)) == ({}, [])
    assert data_of(web) == before
    assert kinds(web)[0] == "retire"
    assert "launch" in kinds(web)
    said = "\n".join(line.text for line in retirement_lines(found))
    assert f"stays: {web.world.volume_root}/web (volume directory, " in said
    assert f"to remove it: rm -r {web.world.volume_root}/web" in said
    assert "to remove it: docker volume rm rows" in said
    assert len([line for line in said.splitlines() if "docker volume rm" in line]) == 2


def test_its_directory_may_be_gone_and_so_may_production(web: Production) -> None:
    remove_directory(web)
    assert "web" in known_names(web.world.harness())
    (box,) = web.engine.boxes.values()
    web.engine.remove(box.id, force=True, volumes=False)
    found = retire(web.world.harness(), "web")
    assert (found.containers, refs(web)) == ((), [])
    # The anonymous volume is named, although nothing mounts it any more.
    assert any("anonymous volume at /cache" in each.what for each in found.remains)


def test_a_second_time_it_says_when_and_changes_nothing(web: Production) -> None:
    remove_directory(web)
    retire(web.world.harness(), "web")
    web.forget()
    again = retire(web.world.harness(), "web")
    assert again.ended is not None
    assert web.changes() == ()
    assert kinds(web).count("retire") == 1
    assert any(each.place.endswith("/web") for each in again.remains)


def test_a_dry_run_changes_nothing(web: Production) -> None:
    before = (web.snapshot(), kinds(web))
    found = retire(web.world.harness(), "web", dry_run=True)
    assert (web.changes(), (web.snapshot(), kinds(web))) == ((), before)
    assert "would be stopped and removed: container web" in "\n".join(
        line.text for line in retirement_lines(found, dry_run=True)
    )


def test_a_later_container_of_the_name_begins_a_life_of_its_own(web: Production) -> None:
    harness = web.world.harness()
    verdict = Verdict(
        name="web", mode="standalone", inputs="i", image_id="x", outcome="passed", tests=1, at=0.0, session="s"
    )
    harness.state.record_verdicts([verdict])
    assert known_volumes(harness, "web")
    retire(harness, "web")
    assert harness.state.verdict("web", "standalone", "i") is None
    assert (why_stays_down(harness, "web"), known_volumes(harness, "web")) == (None, {})
    assert (was_released(harness, "web"), earlier(harness, "web")) == (False, ())
    with pytest.raises(UsageError, match="nothing is live yet"):
        up(harness, web.world.directory("web"))
    image = web.engine.put_image("built/web:3", files={"/etc/passwd": b"", "/etc/group": b""})
    assert web.launch(image).kind == "launched"
    assert earlier(harness, "web") == ()
    assert retire(harness, "web").ended is None
    assert kinds(web).count("retire") == 2


def test_what_others_need_is_not_retired(web: Production) -> None:
    web.world.add("proxy", "depends_on: [web]")
    web.world.add("child", "{}", dockerfile="FROM ktools/web:live\n")
    with pytest.raises(RefusedError) as caught:
        retire(web.world.harness(), "web")
    assert "web: proxy needs it (depends_on in " in str(caught.value)
    assert "web: child is built on it (" in str(caught.value)
    web.world.add("proxy", "[broken")
    with pytest.raises(RefusedError, match="whether proxy needs it is not known"):
        retire(web.world.harness(), "web")
    assert (web.engine.running, web.changes()) == ({"web"}, ())


def test_a_release_that_is_not_over_keeps_it(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.ops.project.retire.LOCK_TIMEOUT", 0.0)
    harness = web.world.harness()
    with lock(harness.locks, "release-web", timeout=0), pytest.raises(LockedError, match="is locked by"):
        retire(harness, "web")
    tags = harness.tags("web")
    operation = Operation(
        id="1",
        kind=Kind.PROMOTE,
        name="web",
        image="x",
        live=None,
        prev=None,
        tags=tags,
        evidence=Provenance(session="", tests=0),
        at=1.0,
    )
    monkeypatch.setattr("kharness.ops.project.retire.settle_releases", lambda *_: None)
    harness.state.begin(operation)
    with pytest.raises(RefusedError, match="a promote of it is not over"):
        retire(harness, "web")
    assert web.engine.running == {"web"}


def test_a_test_instance_of_its_image_keeps_it(web: Production) -> None:
    image = web.world.tagged("ktools/web:live")
    assert image is not None
    for tag in ("built/web:2", "built/web:1"):
        web.engine.untag(tag)
    web.engine.create(RunSpec(name="test-web-1", image=image))
    with pytest.raises(RefusedError, match=r"the container test-web-1 has its image: 'docker rm -f test-web-1'"):
        retire(web.world.harness(), "web")
    assert web.engine.running == {"web"}


def test_what_belongs_to_another_project_is_left_alone(web: Production) -> None:
    other = World(web.world.path, web.engine, project="other", repository="other")
    with pytest.raises(UsageError, match=r"the container web belongs to web of project 'shop'"):
        retire(_without_directories(other), "web")
    shared = World(web.world.path, web.engine, project="other", repository="ktools")
    web.engine.put_image("ktools/mine:live", labels={"kharness.project": "third"})
    shared.add("mine", "{}")
    with pytest.raises(ConflictError, match="was built by project 'third'"):
        retire(shared.harness(), "mine")
    assert (web.engine.running, web.changes()) == ({"web"}, ())


def _without_directories(world: World) -> Harness:
    empty = world.path / "empty"
    empty.mkdir(exist_ok=True)
    return world.harness(source_paths=(empty,))


@pytest.mark.parametrize("name", ["wbe", "", "../web", "web/../web"])
def test_an_unknown_name_is_a_mistake(web: Production, name: str) -> None:
    with pytest.raises(UsageError, match="has no directory, container or record of that name"):
        retire(web.world.harness(), name)
    assert web.changes() == ()


def test_a_name_that_a_person_gave_to_an_image_stays(web: Production) -> None:
    image = web.world.tagged("ktools/web:live")
    assert image is not None
    web.engine.tag(image, "ktools/web:mine")
    found = retire(web.world.harness(), "web")
    assert refs(web) == ["ktools/web:mine"]
    assert any("ktools/web:mine was not named by kharness" in note for note in found.notes)


def test_a_paused_container_ends_in_order(web: Production) -> None:
    web.engine.pause("web")
    web.forget()
    retire(web.world.harness(), "web")
    assert [change.split("(")[0].split()[0] for change in web.changes()][:4] == [
        "unpause",
        "set_restart",
        "stop",
        "remove",
    ]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("gone", [False, True], ids=["directory", "no-directory"])
def test_cut_short_anywhere_it_is_finished_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, *, gone: bool
) -> None:
    number, steps = 0, 1
    while number <= steps:
        web = launched(tmp_path / str(number))
        before = data_of(web)
        if gone:
            remove_directory(web)
        with killed(monkeypatch, web.engine, number, when) as cutter:
            retire(web.world.harness(), "web")
        steps = max(steps, cutter.seen)
        harness = web.world.harness()
        again = retire(harness, "web")
        assert (web.engine.boxes, refs(web), data_of(web)) == ({}, [], before)
        assert len([each for each in again.remains if each.remove.startswith("docker volume rm")]) == 2 or again.ended
        assert kinds(web).count("retire") == 1
        assert harness.state.fact("unfinished: web") is None
        number += 1
    assert steps > 8


def test_while_it_is_cut_short_nothing_else_is_done_with_the_name(web: Production) -> None:
    def stop(call: Call) -> None:
        if call.name == "remove":
            raise EngineError("the engine went away")

    web.engine.before = stop
    with pytest.raises(EngineError, match="went away"):
        retire(web.world.harness(), "web")
    web.heal()
    harness = web.world.harness()
    assert why_stays_down(harness, "web") is not None
    said = "web: a retirement was cut short; 'kharness retire web' finishes it"
    assert would_recover(harness) == (said,)
    assert said in statuses(harness).notes
    recover(harness)
    assert said in web.world.told
    expected = r"web: a retirement was cut short; 'kharness retire web' finishes it"
    with pytest.raises(RefusedError, match=expected):
        up(harness, web.world.directory("web"))
    with pytest.raises(RefusedError, match=expected):
        web.launch(web.image("3"))
    assert web.engine.running == set()
    retire(harness, "web")
    assert web.engine.boxes == {}


def test_a_state_that_cannot_be_written_stops_nothing(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StateError("the disk is full")

    monkeypatch.setattr(State, "set_facts", full)
    with pytest.raises(StateError, match="full"):
        retire(web.world.harness(), "web")
    assert (web.engine.running, web.changes()) == ({"web"}, ())


def test_the_ledger_is_told_last_and_its_failure_is_made_good(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StateError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(State, "retire", full)
        with pytest.raises(StateError, match="full"):
            retire(web.world.harness(), "web")
    assert web.engine.boxes == {}
    assert "retire" not in kinds(web)
    again = retire(web.world.harness(), "web")
    assert again.ended is None
    assert kinds(web)[0] == "retire"
    (entry,) = web.world.harness().state.releases("web", limit=1)
    assert "rows" in entry.note
    assert entry.image_id


def test_mounts_of_others_are_named_without_a_command_that_removes_them(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    web = Production(tmp_path / "web", SETTINGS.replace("[./data:/data]", f'["{shared}:/shared"]'))
    image: ImageFacts = web.image("1")
    assert web.launch(image).kind == "launched"
    found = retire(web.world.harness(), "web")
    (remains,) = (each for each in found.remains if each.place == str(shared))
    assert remains.remove == ""
    assert Mount(kind=MountKind.BIND, source=str(shared), target="/shared").source == remains.place


def test_data_that_cannot_be_seen_are_not_taken_for_none(web: Production) -> None:
    root = web.world.volume_root
    root.rename(root.with_name("elsewhere"))
    found = retire(web.world.harness(), "web")
    assert any("data in the volume root cannot be named: " in note for note in found.notes)
    root.with_name("elsewhere").rename(root)
    again = retire(web.world.harness(), "web")
    assert (again.ended is not None, again.remains[0].place) == (True, str(root / "web"))


def test_the_data_of_what_was_retired_can_still_be_backed_up(web: Production) -> None:
    remove_directory(web)
    retire(web.world.harness(), "web")
    (part,) = backup(web.world.harness(), "web", now=1_800_000_000.0).manifest.parts
    assert part.source == str(web.world.volume_root / "web")

"""What is declared is prepared by hand, before production is launched, and in a test instance's own directories."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import EngineError, HostError, LaunchError, LockedError, UsageError
from kharness.host.locks import lock
from kharness.ops.release.relaunch import relaunch
from kharness.ops.session.reap import reap
from kharness.ops.volumes.prep import prep
from kharness.plan import labels
from kharness.plan.facts import EngineFacts, ExecResult
from kharness.plan.session.modes import Mode
from kharness.plan.volumes.prepare import PreparedState
from tests.ops.releases import SETTINGS, Production
from tests.ops.sessions import NAME, opened, rest, web
from tests.ops.world import OWNER, REMOTE, World

FILES = {
    "/etc/passwd": b"root:x:0:0::/:/bin/sh\nweb:x:101:102::/:/bin/sh\n",
    "/etc/group": b"root:x:0:\nwww:x:33:\n",
}
BASE = 231072
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def prepared(world: World) -> World:
    """A host with a volume root and an image of `web`."""
    world.volume_root.mkdir()
    world.engine.put_image("ktools/web:latest", files=FILES, user="web")
    return world


def prepare(world: World, settings: str, **how: Any) -> dict[str, tuple[PreparedState, tuple[str, ...]]]:
    world.add("web", settings)
    found = prep(world.harness(), world.directory("web"), **how)
    return {each.item.said: (each.state, each.notes) for each in found}


def owner(path: Path) -> tuple[int, int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


@as_root
def test_prep_makes_what_is_declared_with_the_image_s_own_names(prepared: World) -> None:
    settings = "prepare: [data, {path: conf, owner: 0, group: group/www, mode: 0o2750}, {path: conf/x, contents: hi}]"
    found = prepare(prepared, settings)
    assert {state for state, _ in found.values()} == {PreparedState.CREATED}
    top = prepared.volume_root / "web"
    assert [owner(top / name) for name in (".", "data", "conf", "conf/x")] == [
        (0, 0, 0o755),
        (101, 102, 0o755),
        (0, 33, 0o2750),
        (101, 102, 0o644),
    ]
    assert (top / "conf/x").read_text() == "hi"
    assert {state for state, _ in prepare(prepared, settings).values()} == {PreparedState.AS_DECLARED}
    assert prepared.engine.boxes == {}


@as_root
def test_prep_adds_the_engine_s_mapping(prepared: World) -> None:
    facts = EngineFacts(id="mapped", root_dir=f"/var/lib/docker/{BASE}.{BASE}", security_options=("name=userns",))
    prepared.engine._facts_said = facts
    prepare(prepared, "prepare: [data]")
    top = prepared.volume_root / "web"
    assert owner(top) == (BASE, BASE, 0o755)
    assert owner(top / "data") == (BASE + 101, BASE + 102, 0o755)


@as_root
def test_only_fix_changes_what_is_there(prepared: World) -> None:
    data = prepared.volume_root / "web/data"
    data.mkdir(parents=True)
    for how in ({}, {"dry_run": True}):
        assert prepare(prepared, "prepare: [data]", **how)["data"] == (
            PreparedState.DIFFERS,
            ("owner is 0:0, should be 101:102",),
        )
        assert owner(data)[:2] == (0, 0)
    assert prepare(prepared, "prepare: [data]", fix=True)["data"][0] is PreparedState.FIXED
    assert owner(data)[:2] == (101, 102)


def test_a_dry_run_makes_nothing_anywhere(prepared: World) -> None:
    settings = "volumes: [cache:/c]\nprepare: [data, {path: x, contents: y}, {path: sub, volume: cache}]"
    assert {state for state, _ in prepare(prepared, settings, dry_run=True).values()} == {PreparedState.CREATED}
    assert list(prepared.volume_root.iterdir()) == []
    assert prepared.engine.vols == {}


@as_root
def test_a_named_volume_is_made_and_prepared(prepared: World) -> None:
    prepare(prepared, "volumes: [cache:/c]\nprepare: [{path: ., volume: cache, mode: 700}, {path: sub, volume: cache}]")
    place = Path(prepared.engine.vols["cache"].mountpoint)
    assert owner(place) == (101, 102, 0o700)
    assert owner(place / "sub") == (101, 102, 0o755)


def test_a_volume_whose_contents_are_elsewhere_is_refused(prepared: World) -> None:
    prepared.engine.create_volume("cache", options={"type": "nfs", "device": ":/srv", "o": "addr=192.0.2.1"})
    with pytest.raises(UsageError, match="the volume cache has its contents where only a container"):
        prepare(prepared, "volumes: [cache:/c]\nprepare: [{path: sub, volume: cache}]")
    assert list(Path(prepared.engine.vols["cache"].mountpoint).iterdir()) == []


@pytest.mark.parametrize("place", ["key", "private.d/key"])
def test_contents_come_from_a_file_of_the_container_directory(prepared: World, place: str) -> None:
    directory = prepared.add("web")
    (directory / place).parent.mkdir(exist_ok=True)
    (directory / place).write_bytes(b"\0\xff")
    prepare(prepared, f"user: '{os.geteuid()}:{os.getegid()}'\nprepare: [{{path: k, contents: {{file: {place}}}}}]")
    assert (prepared.volume_root / "web/k").read_bytes() == b"\0\xff"


def test_a_file_outside_of_the_container_directory_is_refused(prepared: World) -> None:
    directory = prepared.add("web")
    (directory / "key").symlink_to("/etc/passwd")
    with pytest.raises(HostError, match=r"web/key: should not lead out of the container directory, to /etc/passwd"):
        prepare(prepared, "prepare: [{path: k, contents: {file: key}}]")
    with pytest.raises(HostError, match=r"web/never: cannot be read: No such file"):
        prepare(prepared, "prepare: [{path: k, contents: {file: never}}]")
    assert not (prepared.volume_root / "web/k").exists()
    assert prepared.engine.boxes == {}


def test_contents_come_from_a_command_that_is_run_once(prepared: World) -> None:
    ran: list[tuple[str, ...]] = []
    engine = prepared.engine

    def script(found: Any, argv: tuple[str, ...]) -> ExecResult:
        ran.append(argv)
        [box] = [box for box in engine.boxes.values() if box.id == found.id]
        assert [attachment.network for attachment in box.spec.networks] == ["none"]
        assert (box.spec.mounts[0].target, box.spec.read_only, box.spec.log_driver) == ("/tmp", True, "none")
        assert box.spec.labels[labels.ROLE] == labels.ROLE_TEST
        assert labels.OWNER_PID in box.spec.labels
        return ExecResult(0, "key of today", "noise")

    engine.script = script
    me = f"user: '{os.geteuid()}:{os.getegid()}'\n"
    for _ in range(2):
        prepare(prepared, me + "prepare: [{path: k, contents: {command: [make-key, '-n 1']}}]")
    assert ran == [("make-key", "-n 1")]
    assert (prepared.volume_root / "web/k").read_text() == "key of today"
    assert engine.boxes == {}


def test_a_command_that_fails_is_told_with_its_words(prepared: World) -> None:
    prepared.engine.script = lambda _found, _argv: ExecResult(3, "half", "no entropy\n")
    with pytest.raises(LaunchError) as caught:
        prepare(prepared, "prepare: [{path: k, contents: {command: make-key}}]")
    assert str(caught.value) == (
        "web: prepare: k: the command 'make-key' should print the contents and exit with 0, not with 3\n    no entropy"
    )
    assert not (prepared.volume_root / "web/k").exists()
    assert prepared.engine.boxes == {}


def test_a_helper_container_goes_with_whoever_interrupts_it(prepared: World) -> None:
    def interrupted(_found: Any, _argv: tuple[str, ...]) -> ExecResult:
        raise KeyboardInterrupt

    prepared.engine.script = interrupted
    with pytest.raises(KeyboardInterrupt):
        prepare(prepared, "prepare: [{path: k, contents: {command: make-key}}]")
    assert prepared.engine.boxes == {}


def test_a_helper_container_of_the_dead_is_reaped(prepared: World) -> None:
    prepared.add("web", "prepare: [data]")
    prepared.engine.fail_on["remove"] = EngineError("the process died here")
    earlier = prepared.harness(owner=replace(OWNER, boot="an-earlier-one"))
    with pytest.raises(EngineError, match="died here"):
        prep(earlier, prepared.directory("web"))
    del prepared.engine.fail_on["remove"]
    assert [leftover.kind for leftover in reap(prepared.harness())] == ["container"]
    assert prepared.engine.boxes == {}


def test_no_container_is_made_where_no_name_is_to_be_known(prepared: World) -> None:
    prepare(prepared, f"user: '{os.geteuid()}:{os.getegid()}'\nprepare: [data]")
    assert prepared.engine.called("create") == ()


def test_prep_needs_an_image_and_a_declaration(world: World) -> None:
    assert prepare(world, "{}") == {}
    with pytest.raises(UsageError, match=r"there is no image yet .*'kharness build web' makes one"):
        prepare(world, "prepare: [data]")


def test_an_engine_elsewhere_cannot_be_prepared(tmp_path: Path) -> None:
    world = World.create(tmp_path / "far", facts=REMOTE)
    image = world.engine.put_image("ktools/web:live", files=FILES)
    with pytest.raises(UsageError, match="the engine at ssh://far is not on this host"):
        prepare(world, "prepare: [data]")
    session = opened(world)
    with pytest.raises(UsageError, match="prepare: directories are made on the engine's file system"):
        session.launch(web(world, image, "prepare: [data]\ntest: {egress: true}"))
    session.close()


def test_two_do_not_prepare_one_container_at_a_time(prepared: World) -> None:
    with lock(prepared.harness().locks, "release-web", timeout=1), pytest.raises(LockedError):
        prepare(prepared, "prepare: [data]")


def launched(path: Path, prepare: str) -> Production:
    found = Production(path, f"{SETTINGS}    prepare: {prepare}\n")
    found.world.volume_root.mkdir()
    assert found.launch(found.image("1", files=FILES, user="web")).kind == "launched"
    return found


@as_root
def test_a_launch_prepares_before_anything_is_created(tmp_path: Path) -> None:
    web = launched(tmp_path, "[data, {path: app.conf, contents: x}]")
    top = web.world.volume_root / "web"
    assert owner(top / "data") == (101, 102, 0o755)
    assert owner(top / "app.conf") == (101, 102, 0o644)
    assert [name for name in web.engine.called("create") if "prepare" not in name] == ["create web.new"]


@as_root
def test_a_volume_that_is_only_a_parent_still_belongs_to_the_container(tmp_path: Path) -> None:
    web = launched(tmp_path, "[{path: data/sub, owner: 0}]")
    assert owner(web.world.volume_root / "web/data") == (101, 102, 0o755)
    assert owner(web.world.volume_root / "web/data/sub") == (0, 0, 0o755)


@as_root
def test_what_differs_before_a_launch_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    web = launched(tmp_path, "[data]")
    data = web.world.volume_root / "web/data"
    os.chown(data, 0, 0)
    web.world.told.clear()
    assert web.launch(web.image("2", files=FILES, user="web")).kind == "launched"
    assert "web: prepare: data: owner is 0:0, should be 101:102" in web.world.told
    os.chown(data, 0, 0)
    web.world.told.clear()
    relaunch(web.world.harness(), web.world.directory("web"))
    assert "web: prepare: data: owner is 0:0, should be 101:102" in web.world.told
    assert owner(data)[:2] == (0, 0)


def test_a_launch_that_cannot_be_prepared_changes_nothing(tmp_path: Path) -> None:
    web = Production(tmp_path, f"{SETTINGS}    prepare: [{{path: x, contents: {{file: never}}}}]\n")
    web.world.volume_root.mkdir()
    with pytest.raises(HostError, match="never: cannot be read"):
        web.launch(web.image("1", files=FILES))
    assert web.engine.boxes == {}
    assert web.world.tagged("ktools/web:live") is None


@as_root
@pytest.mark.parametrize("mode", [Mode.STANDALONE, Mode.PROD_READY])
def test_a_test_instance_is_prepared_where_it_lives(world: World, mode: Mode) -> None:
    image = world.engine.put_image("web:1", files=FILES, user="web")
    settings = """\
        volumes: [./data:/data, ./app.conf:/etc/app.conf, cache:/cache]
        prepare:
          - {path: data, mode: 0o700}
          - {path: data/sub, owner: 0}
          - {path: app.conf, contents: x, mode: 0o600}
          - {path: inner, volume: cache}
          - elsewhere
    """
    session = opened(world, mode=mode)
    facts = session.launch(web(world, image, settings))
    data, conf = Path(facts.volumes["/data"]), Path(facts.volumes["/etc/app.conf"])
    assert owner(data) == (101, 102, 0o700)
    assert owner(data / "sub") == (0, 0, 0o755)
    assert (owner(conf), conf.read_text()) == ((101, 102, 0o600), "x")
    assert owner(Path(world.engine.vols[f"{NAME}-2"].mountpoint) / "inner") == (101, 102, 0o755)
    assert not world.volume_root.exists()
    session.close()
    assert [name for name in rest(world) if name != "cache"] == []


@as_root
def test_a_copy_is_what_production_is(world: World) -> None:
    image = world.engine.put_image("web:1", files=FILES, user="web")
    real = world.volume_root / "web/data"
    real.mkdir(parents=True)
    session = opened(world, mode=Mode.PROD_READY)
    facts = session.launch(web(world, image, "volumes: [./data:/data]\nprepare: [data, data/new]"))
    assert owner(Path(facts.volumes["/data"]))[:2] == (0, 0)
    assert owner(Path(facts.volumes["/data"]) / "new")[:2] == (101, 102)
    assert "web: prepare: data: owner is 0:0, should be 101:102" in world.told
    assert list(real.iterdir()) == []
    session.close()


@as_root
def test_an_empty_file_of_a_stand_alone_instance_begins_as_it_is_declared(world: World) -> None:
    image = world.engine.put_image("web:1", files=FILES, user="web")
    real = world.volume_root / "web/app.conf"
    real.parent.mkdir(parents=True)
    real.write_text("secret of production")
    session = opened(world)
    facts = session.launch(web(world, image, "volumes: [./app.conf:/c]\nprepare: [{path: app.conf, contents: x}]"))
    assert Path(facts.volumes["/c"]).read_text() == "x"
    assert real.read_text() == "secret of production"
    session.close()


@as_root
def test_without_a_declaration_new_directories_are_given_by_the_mapping(tmp_path: Path) -> None:
    facts = EngineFacts(id="mapped", root_dir=f"/x/{BASE}.{BASE}", security_options=("name=userns",))
    world = World.create(tmp_path / "mapped", facts=facts)
    image = world.engine.put_image("web:1", files=FILES, user="web")
    session = opened(world)
    found = session.launch(web(world, image, "volumes: [./data:/data]"))
    assert owner(Path(found.volumes["/data"]))[:2] == (BASE + 101, BASE + 102)
    other = session.launch(web(world, image, "volumes: [./data:/data]\nuser: '0'"), suffix="-root")
    assert owner(Path(other.volumes["/data"]))[:2] == (BASE, BASE)


@as_root
def test_what_a_launch_makes_for_reading_belongs_to_the_container_s_root(tmp_path: Path) -> None:
    web = Production(tmp_path, "volumes: [./data:/data, ./conf:/conf:ro]\nrelease: {verify: none, verify_for: 0s}\n")
    web.engine._facts_said = EngineFacts(id="mapped", root_dir=f"/x/{BASE}.{BASE}", security_options=("name=userns",))
    assert web.launch(web.image("1", files=FILES, user="web")).kind == "launched"
    top = web.world.volume_root / "web"
    assert owner(top / "conf") == (BASE, BASE, 0o755)
    assert owner(top / "data") == (BASE + 101, BASE + 102, 0o755)


def test_by_hand_nothing_is_prepared_before_an_earlier_release_is_settled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.engine.put_image("ktools/web:live")
    world.add("web", "prepare: [{path: data, owner: 0, group: 0}]")

    def refuse(_harness: object, name: str) -> None:
        assert not (world.volume_root / name).exists()
        raise EngineError("an earlier release cannot be undone yet")

    monkeypatch.setattr("kharness.ops.volumes.prep.settle", refuse)
    with pytest.raises(EngineError, match="an earlier release"):
        prep(world.harness(), world.directory("web"))
    assert not (world.volume_root / "web").exists()

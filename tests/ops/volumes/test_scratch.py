"""Copies of volumes: the way they are made, and production while that is done."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import HostError, UsageError
from kharness.host.machine.kernel import mounts_below
from kharness.host.volumes.copies import make_copy
from kharness.ops.session.reap import reap
from kharness.ops.session.session import TestSession
from kharness.ops.volumes import scratch
from kharness.plan.facts import ImageFacts
from kharness.plan.session.modes import Mode
from tests.ops.sessions import opened, rest, web
from tests.ops.volumes.mounting import running
from tests.ops.world import OWNER, World

DATA = "volumes: [{type: bind, source: ./data, target: /data, test: {mount: copy, strategy: %s}}]\n"


def copied(world: World, image: ImageFacts, settings: str) -> str:
    """Launch a prod-ready instance and return what its copy holds."""
    session = opened(world, mode=Mode.PROD_READY)
    try:
        subject = web(world, image, settings)
        return session.instance(session.launch(subject), subject).volume("/data").read_text("real")
    finally:
        session.close()


@pytest.mark.parametrize(
    ("strategy", "said"),
    [("auto", "an overlay takes"), ("overlay", "an overlay takes"), ("real", "copied 1 file, 12 bytes, by a real")],
)
@pytest.mark.usefixtures("as_root")
def test_the_way_is_said(world: World, image: ImageFacts, data: Path, strategy: str, said: str) -> None:
    assert copied(world, image, DATA % strategy) == "of customers"
    [line] = [line for line in world.told if said in line]
    assert line.startswith(f"web: {data}: ")
    assert rest(world) == []
    assert mounts_below(world.path) == ()


@pytest.mark.usefixtures("as_root", "data")
def test_where_no_overlay_can_be_mounted_the_copy_is_a_real_one(
    world: World, image: ImageFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_lower: Path, _target: Path, store: Path) -> None:
        (store / "upper").mkdir(parents=True)
        raise HostError("the kernel does not want to")

    monkeypatch.setattr(scratch, "mount_overlay", fail)
    assert copied(world, image, DATA % "auto") == "of customers"
    assert "web: the kernel does not want to" in world.told
    assert any("by a real copy" in line for line in world.told)
    with pytest.raises(HostError, match="the kernel does not want to"):
        copied(world, image, DATA % "overlay")
    assert rest(world) == []


def test_no_overlay_is_laid_over_a_directory_that_is_written_to(world: World, image: ImageFacts, data: Path) -> None:
    running(world, data)
    with pytest.raises(UsageError, match="'overlay' is not possible: web runs and mounts the original"):
        copied(world, image, DATA % "overlay")
    assert copied(world, image, DATA % "auto") == "of customers"
    assert any("by a real copy" in line for line in world.told)


def test_production_is_paused_while_it_is_copied_and_for_no_longer(
    world: World, image: ImageFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, states = running(world, data), []
    make = make_copy

    def looking(*args: object, **more: object) -> object:
        states.append(world.engine.boxes[found.id].state)
        return make(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(scratch, "make_copy", looking)
    copied(world, image, DATA % "real")
    assert states == ["paused"]
    assert world.engine.boxes[found.id].state == "running"
    assert any(line.startswith("web: web was paused for 0.") for line in world.told)


@pytest.mark.parametrize(
    ("test", "done", "said"),
    [
        ("test: {freeze: stop}", ("stop web", "start web"), "web was stopped for"),
        ("test: {freeze: none}", (), "production went on meanwhile (test.freeze: none)"),
        ("test: {max_freeze: 0s}", (), "production went on meanwhile, because the copy may take"),
    ],
)
def test_what_is_done_with_production_is_chosen(  # noqa: PLR0917 - fixtures and parameters
    world: World, image: ImageFacts, data: Path, test: str, done: tuple[str, ...], said: str
) -> None:
    found = running(world, data)
    world.engine.calls.clear()
    copied(world, image, DATA % "real" + test)
    calls = world.engine.called("pause", "unpause", "stop", "start")
    assert tuple(call for call in calls if call.endswith(" web")) == done
    assert world.engine.boxes[found.id].state == "running"
    assert any(said in line for line in world.told)


def test_containers_that_only_read_or_are_not_ours_are_not_frozen(world: World, image: ImageFacts, data: Path) -> None:
    running(world, data, "backup", read_only=True)
    running(world, data, "foreign", ours=False)
    copied(world, image, DATA % "real")
    assert world.engine.called("pause", "stop") == ()
    assert any("foreign, not of this project, may have written while" in line for line in world.told)


def test_a_container_that_was_paused_before_stays_paused(world: World, image: ImageFacts, data: Path) -> None:
    found = running(world, data)
    world.engine.pause(found.id)
    copied(world, image, DATA % "real")
    assert world.engine.boxes[found.id].state == "paused"


def test_a_copy_that_fails_lets_production_go_on_and_leaves_nothing(
    world: World, image: ImageFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = running(world, data)

    def fail(*_: object, **__: object) -> None:
        raise HostError("the disk is broken")

    monkeypatch.setattr(scratch, "make_copy", fail)
    with pytest.raises(HostError, match="the disk is broken"):
        copied(world, image, DATA % "real")
    assert world.engine.boxes[found.id].state == "running"
    assert rest(world) == ["web"]


def test_an_instance_of_one_test_s_own_restarts_nothing(world: World, image: ImageFacts, data: Path) -> None:
    running(world, data)
    session = TestSession(world.harness(), session="s1", mode=Mode.PROD_READY, may_restart=False)
    session.launch(web(world, image, DATA % "real" + "test: {freeze: stop}"))
    session.close()
    assert world.engine.called("pause", "stop") == ("pause web",)


@pytest.mark.usefixtures("as_root")
def test_an_overlay_would_not_show_what_is_mounted_in_the_original(world: World, image: ImageFacts, data: Path) -> None:
    (data / "disk").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", data / "disk"], check=True)
    try:
        (data / "disk/file").write_text("x")
        with pytest.raises(UsageError, match="disk is mounted in it, which an overlay does not show"):
            copied(world, image, DATA % "overlay")
        assert copied(world, image, DATA % "auto") == "of customers"
        assert any("by a real copy" in line for line in world.told)
    finally:
        subprocess.run(["umount", data / "disk"], check=True)


@pytest.mark.usefixtures("as_root")
def test_the_overlays_of_a_dead_session_go_with_its_copies(world: World, image: ImageFacts, data: Path) -> None:
    place = Path(world.engine.create_volume("cache").mountpoint)
    (place / "real").write_text("x")
    session = opened(world, mode=Mode.PROD_READY)
    settings = "volumes: [./data:/data, cache:/cache]"
    session.launch(web(world, image, settings))
    assert len(mounts_below(world.path)) == 2
    reap(world.harness(owner=replace(OWNER, boot="b2")))
    assert mounts_below(world.path) == ()
    assert (data / "real").read_text() == "of customers"
    assert rest(world) == ["cache"]

"""Copies of volumes: the way they are made, and production while that is done."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import EngineError, HostError, LockedError, UsageError
from kharness.host.copies import make_copy
from kharness.host.locks import lock
from kharness.host.mountinfo import mounts_below
from kharness.host.standstill import Standstill, note
from kharness.ops import scratch
from kharness.ops.freeze import Stood, frozen, thaw_abandoned
from kharness.ops.reap import reap
from kharness.ops.recover import recover
from kharness.ops.session import TestSession
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.modes import Mode
from kharness.plan.runspec import Mount, MountKind, RunSpec
from kharness.settings.stand_in import Freeze
from tests.ops.sessions import opened, rest, web
from tests.ops.world import OWNER, World

DATA = "volumes: [{type: bind, source: ./data, target: /data, test: {mount: copy, strategy: %s}}]\n"


@pytest.fixture
def data(world: World, image: ImageFacts) -> Path:
    """What production has written."""
    assert image.id
    place = world.volume_root / "web" / "data"
    place.mkdir(parents=True)
    (place / "real").write_text("of customers")
    return place


def running(
    world: World, data: Path, name: str = "web", *, ours: bool = True, read_only: bool = False
) -> ContainerFacts:
    """Let a container run that has the data mounted."""
    said = {labels.ROLE: labels.ROLE_PRODUCTION, labels.NAME: name} if ours else {}
    mount = Mount(kind=MountKind.BIND, source=str(data), target="/data", read_only=read_only)
    container = world.engine.create(RunSpec(name=name, image="web:1", mounts=(mount,), labels=said))
    world.engine.start(container)
    found = world.engine.container(container)
    assert found is not None
    return found


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


def test_nothing_is_laid_over_what_somebody_writes_to(world: World, image: ImageFacts, data: Path) -> None:
    running(world, data)
    with pytest.raises(UsageError, match="'overlay' cannot be had: web runs and mounts the original"):
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


def test_who_only_reads_or_is_not_ours_is_not_frozen(world: World, image: ImageFacts, data: Path) -> None:
    running(world, data, "backup", read_only=True)
    running(world, data, "foreign", ours=False)
    copied(world, image, DATA % "real")
    assert world.engine.called("pause", "stop") == ()
    assert any("foreign, not kharness's, may have written while" in line for line in world.told)


def test_what_somebody_paused_before_stays_paused(world: World, image: ImageFacts, data: Path) -> None:
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


def test_production_goes_on_at_the_limit_whatever_the_copy_does(world: World, data: Path) -> None:
    found = running(world, data)
    with frozen(world.harness(), [found], Freeze.PAUSE, limit=0.05) as stood:
        deadline = time.monotonic() + 5
        while world.engine.boxes[found.id].state == "paused" and time.monotonic() < deadline:
            time.sleep(0.005)
        assert world.engine.boxes[found.id].state == "running"
    assert stood.cut_short
    assert "which the copy outlasted: it is not of one moment" in str(stood)


def test_a_copy_that_fails_leaves_no_note_that_would_start_production_later(world: World, data: Path) -> None:
    found, harness = running(world, data), world.harness()

    def fail() -> None:
        assert [path.stem for path in (harness.state_dir / "frozen").iterdir()] == [found.id]
        raise HostError("no space")

    with pytest.raises(HostError, match="no space"), frozen(harness, [found], Freeze.STOP, limit=5):
        fail()
    assert world.engine.boxes[found.id].state == "running"
    assert list((harness.state_dir / "frozen").iterdir()) == []


def test_what_is_being_released_is_not_frozen_which_is_said(world: World, data: Path) -> None:
    found, harness = running(world, data), world.harness()
    with lock(harness.locks, "release-web", timeout=1), frozen(harness, [found], Freeze.STOP, limit=5) as stood:
        assert world.engine.boxes[found.id].state == "running"
    assert str(stood).startswith("production went on meanwhile, because it is being released: release-web is locked")
    assert world.engine.called("stop") == ()


def test_no_release_begins_while_production_is_frozen(world: World, data: Path) -> None:
    found, harness = running(world, data), world.harness()
    with (
        frozen(harness, [found], Freeze.STOP, limit=5),
        pytest.raises(LockedError, match="release-web is locked"),
        lock(harness.locks, "release-web", timeout=0),
    ):
        raise AssertionError


def test_the_time_runs_while_production_is_being_stopped(
    world: World, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = running(world, data, "a"), running(world, data, "b")
    stop = world.engine.stop

    def slowly(container: str, *, timeout: float | None = None) -> None:
        time.sleep(0.2)
        stop(container, timeout=timeout)

    monkeypatch.setattr(world.engine, "stop", slowly)
    with frozen(world.harness(), [first, second], Freeze.STOP, limit=0.1) as stood:
        assert world.engine.boxes[second.id].state == "running"
    assert stood.cut_short
    assert {world.engine.boxes[each.id].state for each in (first, second)} == {"running"}


def test_a_container_that_cannot_be_let_run_is_no_reason_against_the_next_command(world: World, data: Path) -> None:
    found = running(world, data)
    world.engine.stop(found.id)
    harness = world.harness()
    note(harness.state_dir / "frozen", Standstill(found.id, "stop"), replace(OWNER, boot="b0"))
    world.engine.fail_on["start"] = EngineError("its port is taken")
    assert recover(harness) == ()
    assert any("it cannot: its port is taken" in line for line in world.told)
    del world.engine.fail_on["start"]
    assert recover(harness) == ()
    assert world.engine.boxes[found.id].state == "running"


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


def test_two_sessions_do_not_thaw_each_other_s_production(world: World, data: Path) -> None:
    found, inside = running(world, data), threading.Event()
    states: list[str] = []

    def other() -> None:
        inside.wait(5)
        with frozen(world.harness(), [found], Freeze.PAUSE, limit=5):
            states.append("second")

    thread = threading.Thread(target=other)
    thread.start()
    with frozen(world.harness(), [found], Freeze.PAUSE, limit=5):
        inside.set()
        time.sleep(0.1)
        states.append(world.engine.boxes[found.id].state)
    thread.join()
    assert states == ["paused", "second"]
    assert world.engine.boxes[found.id].state == "running"


def test_production_that_cannot_be_let_go_on_is_said_and_tried_again_later(world: World, data: Path) -> None:
    found = running(world, data)
    world.engine.fail_on["unpause"] = EngineError("the engine is busy")
    with (
        pytest.raises(EngineError, match="the engine is busy"),
        frozen(world.harness(), [found], Freeze.PAUSE, limit=5),
    ):
        pass
    del world.engine.fail_on["unpause"]
    later = replace(OWNER, boot="b2")
    thaw_abandoned(world.harness(owner=later))
    assert world.engine.boxes[found.id].state == "running"


@pytest.mark.parametrize(("how", "state"), [(Freeze.PAUSE, "paused"), (Freeze.STOP, "exited")])
def test_what_a_dead_session_froze_runs_again(world: World, data: Path, how: Freeze, state: str) -> None:
    found = running(world, data)
    (world.engine.pause if how is Freeze.PAUSE else world.engine.stop)(found.id)
    assert world.engine.boxes[found.id].state == state
    harness = world.harness()
    notes = harness.state_dir / "frozen"
    notes.mkdir(parents=True)
    (notes / f"{found.id}.json").write_text(json.dumps({"how": how.value, **OWNER.labels(), labels.OWNER_BOOT: "b0"}))
    assert recover(harness) == ()
    assert world.engine.boxes[found.id].state == "running"
    assert list(notes.iterdir()) == []


def test_nobody_who_stood_still_is_nothing_to_say() -> None:
    assert str(Stood()) == ""


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

"""Production stands still while it is copied, and runs again in any case."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import EngineError, HostError, LockedError
from kharness.host.locks import lock
from kharness.host.volumes.freeze import Standstill, note
from kharness.ops.release.recover import recover
from kharness.ops.volumes.freeze import Stood, frozen, thaw_abandoned
from kharness.plan import labels
from kharness.settings.volumes import Freeze
from tests.ops.volumes.mounting import running
from tests.ops.world import OWNER, World


def test_production_goes_on_at_the_limit_whatever_the_copy_does(world: World, data: Path) -> None:
    found = running(world, data)
    with frozen(world.harness(), [found], Freeze.PAUSE, limit=0.05) as stood:
        deadline = time.monotonic() + 60
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

    with pytest.raises(HostError, match="no space"), frozen(harness, [found], Freeze.STOP, limit=60):
        fail()
    assert world.engine.boxes[found.id].state == "running"
    assert list((harness.state_dir / "frozen").iterdir()) == []


def test_a_container_that_is_being_released_is_reported_and_not_frozen(world: World, data: Path) -> None:
    found, harness = running(world, data), world.harness()
    with lock(harness.locks, "release-web", timeout=1), frozen(harness, [found], Freeze.STOP, limit=60) as stood:
        assert world.engine.boxes[found.id].state == "running"
    assert str(stood).startswith("production went on meanwhile, because it is being released: release-web is locked")
    assert world.engine.called("stop") == ()


def test_no_release_begins_while_production_is_frozen(world: World, data: Path) -> None:
    found, harness = running(world, data), world.harness()
    with (
        frozen(harness, [found], Freeze.STOP, limit=60),
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


def test_a_thaw_that_fails_does_not_stop_the_next_command(world: World, data: Path) -> None:
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


def test_two_sessions_do_not_thaw_each_other_s_production(world: World, data: Path) -> None:
    found, inside = running(world, data), threading.Event()
    states: list[str] = []

    def other() -> None:
        inside.wait(60)
        with frozen(world.harness(), [found], Freeze.PAUSE, limit=60):
            states.append("second")

    thread = threading.Thread(target=other)
    thread.start()
    with frozen(world.harness(), [found], Freeze.PAUSE, limit=60):
        inside.set()
        time.sleep(0.1)
        states.append(world.engine.boxes[found.id].state)
    thread.join()
    assert states == ["paused", "second"]
    assert world.engine.boxes[found.id].state == "running"


def test_a_thaw_that_fails_is_reported_and_tried_again_later(world: World, data: Path) -> None:
    found = running(world, data)
    world.engine.fail_on["unpause"] = EngineError("the engine is busy")
    with (
        pytest.raises(EngineError, match="the engine is busy"),
        frozen(world.harness(), [found], Freeze.PAUSE, limit=60),
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


def test_nothing_is_reported_where_nothing_stood_still() -> None:
    assert str(Stood()) == ""

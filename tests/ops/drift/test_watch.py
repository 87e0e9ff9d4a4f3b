"""A watch scans, raises an alarm that stays, and tells of what is new once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import EngineUnavailableError, StateError, UsageError
from kharness.ops.drift.watch import FACT, Watch, acknowledge, alarm_of
from kharness.plan.drift.watch import reasons
from kharness.plan.launch.runspec import RunSpec
from tests.ops.world import World


@pytest.fixture
def web(world: World) -> str:
    world.add("web")
    world.engine.put_image("web:1", files={"/x": b""})
    container = world.engine.create(RunSpec(name="web", image="web:1", labels=world.production("web", "web:1")))
    world.engine.start(container)
    return container


def watching(world: World, *names: str, **host: Any) -> Watch:
    return Watch(world.harness(**host), names, every=10, clock=lambda: 100.0)


def told(watch: Watch) -> tuple[str, ...]:
    return reasons(watch.state, now=101.0)


def test_an_alarm_stays_after_the_change_is_undone_until_it_is_acknowledged(world: World, web: str) -> None:
    watch = watching(world)
    assert told(watch) == ("there was no scan yet",)
    watch.step()
    assert told(watch) == ()
    world.engine.write_file(web, "/evil", b"x")
    watch.step()
    assert told(watch) == ("web: /evil: added, file, mode 644, 1 bytes",)
    world.engine.boxes[web].changes.clear()
    watch.step()
    assert told(watch) == ("web: /evil: added, file, mode 644, 1 bytes (seen before, and not acknowledged)",)
    # Another process has it, too.
    assert told(watching(world))[-1].endswith("not acknowledged)")
    assert acknowledge(world.harness(), ()) == ("web",)
    assert told(watch) == ()


def test_the_host_s_command_is_notified_of_each_change_once(world: World, web: str, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    watch = watching(world, notify=("tee", "-a", str(heard)))
    for path in ("/a", "/b"):
        world.engine.write_file(web, path, b"x")
        watch.step()
        watch.step()
    events = [json.loads(line) for line in heard.read_text().splitlines()]
    assert [(each["event"], each["container"], each["reasons"]) for each in events] == [
        ("drift", "web", [f"{path}: added, file, mode 644, 1 bytes"]) for path in ("/a", "/b")
    ]


def test_a_failed_scan_is_not_ok_and_the_watch_continues(world: World, web: str) -> None:
    watch = watching(world)
    world.engine.fail_on["containers"] = EngineUnavailableError("no engine")
    watch.step()
    assert told(watch) == ("nothing could be scanned: no engine",)
    del world.engine.fail_on["containers"]
    watch.step()
    assert (told(watch), watch.state.scans) == ((), 1)
    world.engine.stop(web)
    assert watching(world, "web").step().found[0].problem == "could not be scanned: it does not run"


def test_only_an_alarm_can_be_acknowledged(world: World) -> None:
    with pytest.raises(UsageError, match="web: there is nothing to acknowledge"):
        acknowledge(world.harness(), ["web"])


def test_an_unreadable_alarm_is_an_error(world: World) -> None:
    harness = world.harness()
    harness.state.set_fact(FACT, "[")
    with pytest.raises(StateError, match="the alarm cannot be read"):
        alarm_of(harness)
    watch = watching(world)
    watch.step()
    assert "the alarm cannot be read" in told(watch)[0]

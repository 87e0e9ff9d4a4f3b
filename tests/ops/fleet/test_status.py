"""What is known of each container directory, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kharness.errors import EngineUnavailableError
from kharness.host.state.state import Verdict
from kharness.ops.drift.scan import last_scans, remember
from kharness.ops.fleet.status import scan_now, statuses
from kharness.ops.release.relaunch import relaunch
from kharness.plan.drift.changes import Drifted, DriftVerdict, ScanResult
from kharness.plan.facts import ImageFacts
from kharness.plan.fleet.status import LastTest
from kharness.settings.flags import from_flags
from kharness.settings.layers import SettingsLayer
from tests.ops.releases import Production

Running = tuple[Production, ImageFacts]


def verdict(name: str, at: float, **more: Any) -> Verdict:
    said: dict[str, Any] = {"mode": "standalone", "inputs": "i", "image_id": "sha256:a", "outcome": "passed"}
    return Verdict(**{**said, "name": name, "tests": 3, "at": at, "session": "s", **more})


def test_each_directory_has_a_line_with_its_status(running: Running) -> None:
    web, live = running
    web.world.add("apart", "autostart: 2\n")
    web.world.add("broken", "[")
    harness = web.world.harness()
    harness.state.record_verdicts([verdict("web", 5), verdict("web", 9, outcome="failed", mode="prod-ready")])
    web.engine.tag(web.image("3").id, "ktools/web:latest")
    box = next(box for box in web.engine.boxes.values() if box.name == "web")
    box.memory = 5
    found = statuses(harness)
    apart, broken, line = found.lines
    assert [each.listed.name for each in found.lines] == ["apart", "broken", "web"]
    assert (apart.listed.wave, apart.usage, apart.tested) == (2, None, None)
    assert broken.broken == str(found.broken["broken"])
    assert line.tested == LastTest(passed=False, mode="prod-ready", image="sha256:a", at=9)
    assert (line.newer, line.listed.live, line.broken) == (True, live.id, "")
    assert line.usage is not None
    assert (line.usage.memory, line.cpu) == (5, 0.0)
    assert line.image_at is not None


def test_settings_that_the_host_s_defaults_break_are_reported(running: Running) -> None:
    web, _ = running
    limits = SettingsLayer(said={"mem_limit": "1g", "memswap_limit": "1g"}, file=Path("/etc/config.toml"))
    web.world.add("big", "image: x\nmem_limit: 2g\n")
    found = statuses(web.world.harness(defaults=(limits,)), ["big"])
    assert "memswap_limit" in found.lines[0].broken
    assert list(found.broken) == ["big"]


def test_flags_of_a_launch_that_no_file_has_are_noted(running: Running) -> None:
    web, _ = running
    relaunch(web.world.harness(), web.world.directory("web"), above=(from_flags({"mem_limit": ("64m",)}),))
    assert statuses(web.world.harness()).notes == ("web: was launched with --mem-limit, which no file says",)


def test_processors_are_counted_since_the_time_before(running: Running) -> None:
    web, _ = running
    harness = web.world.harness()
    first = statuses(harness, before={})
    assert first.lines[0].cpu is None
    box = next(box for box in web.engine.boxes.values() if box.name == "web")
    box.cpu += 100
    (line,) = statuses(harness, ["web"], before=first.usages).lines
    assert line.cpu is not None
    assert line.cpu > 1


def test_only_named_directories_are_shown(running: Running) -> None:
    web, _ = running
    web.world.add("broken", "[")
    found = statuses(web.world.harness(), ["web"])
    assert ([line.listed.name for line in found.lines], found.broken) == (["web"], {})


def test_a_scan_belongs_to_its_container(running: Running) -> None:
    web, _ = running
    harness = web.world.harness()
    container = next(box.id for box in web.engine.boxes.values() if box.name == "web")
    left = DriftVerdict(left=(Drifted(path="/x", kind="added"),))
    remember(harness, [ScanResult(name="web", container="web", id=container, verdict=left)], at=7)
    (line,) = statuses(harness).lines
    assert line.scan is not None
    assert (line.scan.left, line.scan.at) == (1, 7)
    assert web.launch(web.image("9"), verify=lambda: ()).ok
    (line,) = statuses(harness).lines
    assert line.scan is None
    harness.state.set_fact("scan:web", "of a later version")
    assert last_scans(harness) == {}


def test_drift_is_scanned_on_request(running: Running) -> None:
    web, _ = running
    web.engine.write_file("web", "/evil", b"x")
    harness = web.world.harness()
    scan_now(harness, ["other"])
    assert statuses(harness).lines[0].scan is None
    scan_now(harness, [])
    scan = statuses(harness).lines[0].scan
    assert scan is not None
    assert scan.left == 1


def test_an_unreadable_state_hides_nothing_else(running: Running) -> None:
    web, _ = running
    harness = web.world.harness()
    harness.state.path.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    found = statuses(web.world.harness())
    assert found.lines[0].tested is None
    assert str(harness.state.path) in found.notes[0]


def test_an_engine_that_does_not_answer_is_an_error(running: Running) -> None:
    web, _ = running
    web.engine.before = lambda call: gone() if call.name == "usage" else None
    with pytest.raises(EngineUnavailableError):
        statuses(web.world.harness())


def gone() -> None:
    raise EngineUnavailableError("gone")

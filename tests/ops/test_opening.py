"""What every use case works with."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import EngineUnavailableError
from kharness.ops import opening as module
from kharness.ops.opening import open_engine, open_harness
from kharness.plan.facts import EngineFacts
from kharness.settings.host import HostSettings
from kharness.testing import FakeEngine
from tests.ops.world import World


def host(path: Path, **said: object) -> HostSettings:
    return HostSettings.model_validate({"state_dir": path / "state", "dv": path / "dv", **said})


@pytest.mark.parametrize(
    ("id", "key"), [("AB:CD:12", "ab-cd-12"), ("/run/podman//x", "run-podman-x"), ("", "unknown"), ("::", "unknown")]
)
def test_state_is_kept_apart_for_each_engine(tmp_path: Path, id: str, key: str) -> None:  # noqa: A002 - Docker's word
    engine = FakeEngine(facts=EngineFacts(id=id))
    found = open_harness(folder=None, environ={}, engine=engine, host=host(tmp_path))
    assert found.state_dir == tmp_path / "state" / "engines" / key
    assert found.locks.is_relative_to(found.state_dir)
    assert found.state.path.is_relative_to(found.state_dir)


def test_broken_settings_of_a_fleet_stand_beside_the_good_ones(world: World) -> None:
    world.add("good")
    world.add("bad", "nonsense: 1")
    good, broken = world.harness().fleet()
    assert set(good) == {"good"}
    assert "bad/settings.yaml: nonsense" in str(broken["bad"])


def test_details_of_a_long_step_are_told_apart_by_a_space(world: World) -> None:
    world.harness().details("web")("Step 1")
    assert world.told == ["web:  Step 1"]


class Engines:
    """Connections that fail until an engine was started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, installed: bool = True) -> None:
        self.started = 0
        self.engine = FakeEngine()
        monkeypatch.setattr(module, "connect", self.connect)
        monkeypatch.setattr(module, "start_local_engine", self.start)
        monkeypatch.setattr(module, "can_start", lambda: installed)

    def connect(self, **_: object) -> FakeEngine:
        if not self.started:
            raise EngineUnavailableError("no engine answers")
        return self.engine

    def start(self, **_: object) -> None:
        self.started += 1


def test_the_installed_engine_is_started_where_none_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines = Engines(monkeypatch)
    told: list[str] = []
    found = open_engine(host(tmp_path), environ={}, report=lambda _, what: told.append(what))
    assert (found, engines.started) == (engines.engine, 1)
    assert told == ["no engine answers: starting the installed one"]


@pytest.mark.parametrize(
    ("said", "environ", "installed"),
    [
        ({"start_engine": False}, {}, True),
        ({"engine": "tcp://far:2375"}, {}, True),
        ({}, {"DOCKER_HOST": "ssh://far"}, True),
        ({}, {"DOCKER_CONTEXT": "far"}, True),
        ({}, {}, False),
    ],
)
def test_no_engine_is_started_where_another_was_meant_or_none_may(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: dict[str, object],
    environ: dict[str, str],
    *,
    installed: bool,
) -> None:
    engines = Engines(monkeypatch, installed=installed)
    with pytest.raises(EngineUnavailableError):
        open_engine(host(tmp_path, **said), environ=environ)
    assert not engines.started

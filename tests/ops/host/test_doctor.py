"""What the doctor finds, with an engine and without; whatever is not good has what mends it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from kharness.engine.api import NetworkRequest
from kharness.engine.connect import unavailable
from kharness.engine.contexts import Endpoint
from kharness.errors import EngineUnavailableError
from kharness.ops.host import findings
from kharness.ops.host.doctor import examine, examine_here
from kharness.ops.host.findings import (
    DoctorFinding,
    clock_findings,
    disk_findings,
    engine_version,
    network_findings,
    version_findings,
)
from kharness.plan.facts import EngineFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.networks import Route
from kharness.plan.volumes.usage import Room
from tests.ops.world import World

FAR = "tcp://127.0.0.1:1"
LAN = {"driver": "bridge", "subnet": "10.9.0.0/24"}


def bad(found: Iterable[DoctorFinding]) -> dict[str, tuple[str, str]]:
    """Return what is not good by its name, with what mends it."""
    wrong = [each for each in found if not each.good]
    assert all(each.mend for each in wrong), wrong
    return {each.what: (each.said, each.mend) for each in wrong}


def test_all_is_well_and_each_part_is_told(world: World) -> None:
    world.add("web")
    world.volume_root.mkdir()
    found = examine(world.harness())
    told = [each.what for each in found]
    assert [what for what in told if what not in {"isolation", "test copies"}] == [
        *("kharness", "python", "pytest", "client", "engine", "storage", "place", "user ids", "test networks"),
        *("volume root", "state", "disk", "clock", "source path", "web"),
    ]
    assert bad(each for each in found if each.what not in {"isolation", "disk", "engine"}) == {}


def test_a_container_of_somebody_else_s_is_not_production(world: World) -> None:
    world.add("web", "{autostart: 1}\n")
    world.engine.put_image("ktools/web:live")
    world.engine.start(world.engine.create(RunSpec(name="web", image="ktools/web:live")))
    (found,) = (each for each in examine(world.harness()) if each.what == "web")
    assert found.said.endswith(", no production container")
    assert (found.good, found.mend) == (True, "kharness up web")


def test_a_state_that_cannot_be_read_is_told_once(world: World) -> None:
    harness = world.harness()
    harness.state_dir.mkdir(parents=True, exist_ok=True)
    (harness.state_dir / "state.db").write_bytes(b"no database, and long enough to be none" * 100)
    wrong = [each.what for each in examine(harness) if not each.good and "state.db" in each.said]
    assert wrong == ["state"]


def test_an_engine_that_this_user_may_not_ask_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = unavailable([(Endpoint(url="unix:///x", origin="default"), "Permission denied")], uid=1000)

    def may_not(**_: Any) -> None:
        raise EngineUnavailableError(refused)

    monkeypatch.setattr("kharness.ops.host.doctor.connect", may_not)
    mend = bad(examine_here(folder=None, environ={}))["engine"][1]
    assert mend == "usermod -aG docker USER, then log in again; or use root"


def test_one_broken_directory_is_named_and_the_others_are_told(world: World) -> None:
    world.add("web")
    broken = world.add("broken", "ports: [x]\nimagee: y\n")
    found = examine(world.harness())
    said, mend = bad(found)["broken"]
    assert f"{broken}/settings.yaml: imagee: " in said
    assert "ports[0]: " in said
    assert mend == f"edit {broken}/settings.yaml"
    assert "web" in {each.what for each in found if each.good}


def test_settings_are_read_with_what_the_host_says_for_all(tmp_path: Path) -> None:
    web = tmp_path / "containers" / "web"
    web.mkdir(parents=True)
    (web / "settings.yaml").write_text("image: x\nmem_limit: 2g\n")
    project = f'[tool.kharness]\nsource_paths = ["containers"]\nengine = "{FAR}"\n'
    defaults = '[tool.kharness.defaults]\nmem_limit = "512m"\nmemswap_limit = "1g"\n'
    (tmp_path / "pyproject.toml").write_text(project + defaults)
    assert "memswap_limit: " in bad(examine_here(folder=tmp_path, environ={}))["web"][0]


def test_without_an_engine_all_the_rest_is_told(tmp_path: Path) -> None:
    for name, text in (("web", "image: x\n"), ("broken", "[")):
        (tmp_path / "containers" / name).mkdir(parents=True)
        (tmp_path / "containers" / name / "settings.yaml").write_text(text)
    environ = {
        "DOCKER_HOST": "unix:///nowhere/s",
        "KHARNESS_SOURCE_PATHS": f"{tmp_path}/containers:{tmp_path}/gone",
        "KHARNESS_DV": f"{tmp_path}/dv",
        "KHARNESS_STATE_DIR": f"{tmp_path}/state",
    }
    found = examine_here(folder=None, environ=environ)
    wrong = bad(found)
    wrong.pop("disk", None)
    assert wrong.keys() == {"engine", "source path", "broken"}
    assert wrong["engine"][0].startswith("no container engine answers\n    unix:///nowhere/s (DOCKER_HOST): ")
    assert wrong["engine"][1].startswith("start the engine of unix:///nowhere/s, or unset DOCKER_HOST")
    assert wrong["source path"] == (f"{tmp_path}/gone does not exist", f"mkdir {tmp_path}/gone")
    assert {"kharness", "volume root", "state", "disk", "clock"} <= {each.what for each in found}


@pytest.mark.parametrize(
    ("environ", "dockerd", "mend"),
    [
        ({}, "/usr/sbin/dockerd", "kharness engine start"),
        ({}, None, "kharness engine start --install"),
        ({"DOCKER_HOST": FAR}, None, f"start the engine of {FAR}, or set another in DOCKER_HOST"),
        ({"KHARNESS_ENGINE": FAR}, None, f"start the engine of {FAR}, or set another in 'engine'"),
    ],
)
def test_an_engine_that_is_down_is_told_with_how_to_start_it(
    environ: dict[str, str], dockerd: str | None, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(**_: Any) -> None:
        raise EngineUnavailableError("no container engine answers")

    monkeypatch.setattr("kharness.ops.host.doctor.connect", down)
    monkeypatch.setattr(shutil, "which", lambda name, **_: dockerd if name == "dockerd" else None)
    assert bad(examine_here(folder=None, environ=environ))["engine"][1].startswith(mend)


def test_a_configuration_that_cannot_be_read_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.kharness]\nrepositry = 'x'\n")
    said, mend = bad(examine_here(folder=tmp_path, environ={}))["configuration"]
    assert f"{tmp_path}/pyproject.toml: tool.kharness.repositry: " in said
    assert mend == f"edit {tmp_path}/pyproject.toml"


def test_declared_networks_are_compared_with_what_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Route(IPv4Network("10.9.0.0/16"), "vpn0")
    monkeypatch.setattr(findings, "routes", lambda: (taken, Route(IPv4Network("10.213.0.0/26"), "kht-1")))
    harness = world.harness(networks={"lan": LAN, "free": {"subnet": "10.8.0.0/24"}})
    assert bad(network_findings(harness)) == {
        "network": (
            "lan cannot be created: 10.9.0.0/24: 10.9.0.0/16 leads to vpn0",
            "set 'subnet' of networks.lan in the host's configuration to one that is free",
        )
    }
    world.engine.create_network(NetworkRequest(name="lan", subnet="10.7.0.0/24"))
    said, mend = bad(network_findings(harness))["network"]
    assert said == "lan is there; its subnet should be 10.9.0.0/24, is 10.7.0.0/24"
    assert mend.startswith("docker network rm lan")


@pytest.mark.parametrize(("network", "good"), [("10.0.0.0/8", False), ("10.213.4.0/24", True), ("10.1.0.0/16", True)])
def test_a_pool_of_test_networks_that_leads_elsewhere_is_no_good(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    network: str,
    good: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(findings, "routes", lambda: (Route(IPv4Network(network), "vpn0"),))
    (found,) = network_findings(world.harness())
    assert found.good is good
    assert ("leads to vpn0" in found.said) is (network != "10.1.0.0/16")


def test_places_of_one_disk_are_one_line_and_a_full_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Room(size=10**12, free=10**9, inodes=0, inodes_free=0)
    monkeypatch.setattr(findings, "room", lambda _path: full)
    (found,) = disk_findings({findings.ENGINE: tmp_path, findings.STATE: tmp_path / "not/yet/there"})
    assert found == DoctorFinding(
        "disk",
        f"of the engine, state: 1.0 GB of 1.0 TB free in {tmp_path}; should be 10.0 GB at the least",
        good=False,
        mend="kharness prune",
    )
    (other,) = disk_findings({findings.VOLUMES: tmp_path})
    assert other.mend.startswith("du ")


@pytest.mark.parametrize(
    ("ahead", "said"), [(9.0, "the engine's is 9 s ahead"), (-300.0, "the engine's is 300 s behind")]
)
def test_clocks_that_differ_are_told(ahead: float, said: str) -> None:
    assert bad(clock_findings(EngineFacts(id="x", clock_ahead=ahead)))["clock"][0] == said


@pytest.mark.parametrize(("kept", "mend"), [(True, ""), (None, ""), (False, "timedatectl set-ntp true")])
def test_a_clock_that_nothing_keeps_right_is_a_remark(
    kept: bool | None,  # noqa: FBT001
    mend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(findings, "is_clock_kept", lambda: kept)
    (found,) = clock_findings(EngineFacts(id="x", clock_ahead=0.1))
    assert (found.good, found.mend) == (True, mend)


@pytest.mark.parametrize(
    ("version", "podman", "good", "told"),
    [
        ("20.10.24+dfsg1", False, True, ""),
        ("28.2.2", False, True, ""),
        ("29.7.0", False, True, ""),
        ("19.03.1", False, False, "; should be 20.10 to 29"),
        ("30.0.0", False, True, "; known to work is 20.10 to 29"),
        ("5.4.2", True, True, ""),
        ("4.3.1", True, False, "; should be 5"),
        ("6.0.0", True, True, "; known to work is 5"),
    ],
)
def test_an_engine_outside_of_what_is_supported_is_told(version: str, podman: bool, good: bool, told: str) -> None:  # noqa: FBT001
    facts = EngineFacts(id="x", version=version, api_version="1.41", newest_api="1.45", endpoint="e", podman=podman)
    found = engine_version(facts)
    assert found.said == f"{'Podman' if podman else 'Docker Engine'} {version}, API 1.45, at e{told}"
    assert (found.good, bool(found.mend)) == (good, bool(told))


@pytest.mark.parametrize(
    ("version", "good", "said"),
    [
        ("3.11.2", True, "3.11.2"),
        ("3.14.8", True, "3.14.8"),
        ("3.10.1", False, "should be 3.11 to 3.14, is 3.10.1"),
        ("3.15.0", True, "3.15.0; known to work is 3.11 to 3.14"),
    ],
)
def test_a_python_outside_of_what_is_supported_is_told(
    version: str,
    good: bool,  # noqa: FBT001
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: version)
    (found,) = (each for each in version_findings() if each.what == "python")
    assert (found.good, found.said, bool(found.mend)) == (good, said, said != version)


def test_programs_that_are_too_old_or_missing_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "_version", lambda name: "9.0.2" if name == "pytest" else "")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    found = list(version_findings())
    assert bad(found) == {
        "pytest": ("should be 9.1 or newer, is 9.0.2", "python -m pip install --upgrade 'pytest>=9.1'")
    }
    (client,) = (each for each in found if each.what == "client")
    assert (client.good, client.mend) == (True, "apt-get install -y docker-cli")


def test_a_setting_that_the_engine_does_not_know_is_told(tmp_path: Path) -> None:
    for api, told in (("1.41", True), ("1.44", False)):
        world = World.create(tmp_path / api, facts=EngineFacts(id="x", version="20.10", newest_api=api))
        world.add("web", "{healthcheck: {test: 'true', start_interval: 1s}}\n")
        (found,) = (each for each in examine(world.harness()) if each.what == "web")
        said = "healthcheck.start_interval is left out: it needs Docker Engine 25.0 or newer, and this is"
        assert (said in found.said) is told


def test_a_state_that_cannot_be_read_hides_nothing_else(world: World) -> None:
    world.add("web")
    harness = world.harness()
    harness.state.set_fact("x", "y")
    harness.state.path.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    found = examine(world.harness())
    assert str(harness.state.path) in bad(found)["state"][0]
    assert "web" in {each.what for each in found}

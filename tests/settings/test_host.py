"""The host's configuration, from all the places where something is said about it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from kharness.errors import SettingsError
from kharness.settings.host import HostSettings, NetworkDecl, load_host_settings
from kharness.settings.layers import SettingsLayer
from kharness.settings.policy import Waiver
from kharness.settings.sources import source_paths

Load = Callable[..., HostSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load from a project, a user's and a system's file of the given texts, below tmp_path."""

    def loaded(*, project: str = "", user: str = "", system: str = "", **environ: str) -> HostSettings:
        places = {"project/pyproject.toml": project, "user/config.toml": user, "system/config.toml": system}
        for place, text in places.items():
            if text:
                (tmp_path / place).parent.mkdir()
                (tmp_path / place).write_text(text)
        files = {"user_file": tmp_path / "user/config.toml", "system_file": tmp_path / "system/config.toml"}
        light: tuple[Path, ...] | SettingsError
        try:
            light = source_paths(project=tmp_path / "project", environ=environ, **files)
        except SettingsError as error:
            light = error
        settings = load_host_settings(project=tmp_path / "project", environ=environ, **files)
        assert light == settings.source_paths
        return settings

    return loaded


def complaints(load: Load, **places: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(**places)
    return str(caught.value).splitlines()


def test_where_nothing_is_said_defaults_hold(load: Load) -> None:
    settings = load()
    assert settings.source_paths == ()
    assert (settings.project, settings.repository) == (None, None)
    assert settings.engine is None
    assert settings.test_subnets == "10.213.0.0/16"
    assert settings.dv.is_absolute()
    assert settings.state_dir.is_absolute()


def test_without_a_project_and_files_there_is_still_a_configuration(tmp_path: Path) -> None:
    files = {"user_file": tmp_path / "missing", "system_file": tmp_path / "missing"}
    assert load_host_settings(project=None, environ={}, **files) == HostSettings()
    assert source_paths(project=None, environ={}, **files) == ()


@pytest.mark.parametrize(("uid", "name"), [(0, "/var/lib/kharness"), (1000, "kharness")])
def test_the_state_belongs_to_root_or_to_the_user(
    load: Load, monkeypatch: pytest.MonkeyPatch, uid: int, name: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    settings = load()
    assert str(settings.state_dir).endswith(name)
    assert str(settings.dv) == "/rw/dv" or settings.dv.name == "dv"


def test_every_key_can_be_said_in_a_file(load: Load, tmp_path: Path) -> None:
    text = """\
source_paths = ["containers", "/srv/containers"]
projects = ["stacks/*", "/srv/shop"]
project = "home"
repository = "home/x"
dv = "dv"
state_dir = "~/state"
engine = "ssh://host"
base = "alpine"
debug_image = "tools:1"
test_subnets = "10.5.0.0/16"
launch_parallel = 2
start_engine = false
ready_timeout = "1m"
notify = "mail -s 'a release' root"
keep_releases = 3
policy = "baseline"
enforce = ["KH403"]

[defaults]
mem_limit = "1g"

[networks.lan]
driver = "macvlan"
subnet = "192.0.2.0/24"
gateway = "192.0.2.1"
ip_range = "192.0.2.128/25"
internal = true
options = { parent = "eth0", mtu = 1400 }

[waive]
KH403 = { reason = "old data", until = 2027-03-01 }
"""
    settings = load(user=text)
    assert settings == HostSettings(
        source_paths=(tmp_path / "user/containers", Path("/srv/containers")),
        projects=(tmp_path / "user/stacks/*", Path("/srv/shop")),
        project="home",
        repository="home/x",
        dv=tmp_path / "user/dv",
        state_dir=Path("~/state").expanduser(),
        engine="ssh://host",
        base="alpine",
        debug_image="tools:1",
        defaults=(
            SettingsLayer(
                said={"mem_limit": "1g"},
                file=tmp_path / "user/config.toml",
                prefix="defaults",
                called=f"the host's configuration ({tmp_path}/user/config.toml)",
            ),
        ),
        networks={
            "lan": NetworkDecl(
                driver="macvlan",
                subnet="192.0.2.0/24",
                gateway="192.0.2.1",
                ip_range="192.0.2.128/25",
                internal=True,
                options={"parent": "eth0", "mtu": "1400"},
            )
        },
        test_subnets="10.5.0.0/16",
        launch_parallel=2,
        start_engine=False,
        ready_timeout=60.0,
        notify=("mail", "-s", "a release", "root"),
        keep_releases=3,
        policy="baseline",
        enforce=("KH403",),
        waive={"KH403": Waiver(reason="old data", until=date(2027, 3, 1))},
    )
    assert settings.model_fields_set == HostSettings.model_fields.keys()


def test_every_key_but_networks_can_be_said_in_the_environment(load: Load) -> None:
    settings = load(
        KHARNESS_SOURCE_PATHS="/a:/b",
        KHARNESS_PROJECTS="/stacks/*:/srv/shop",
        KHARNESS_PROJECT="shop",
        KHARNESS_REPOSITORY="x",
        KHARNESS_DV="/dv",
        KHARNESS_STATE_DIR="/state",
        KHARNESS_ENGINE="unix:///run/x.sock",
        KHARNESS_BASE="debian",
        KHARNESS_DEBUG_IMAGE="tools",
        KHARNESS_TEST_SUBNETS="10.5.0.0/16",
        KHARNESS_LAUNCH_PARALLEL="9",
        KHARNESS_START_ENGINE="0",
        KHARNESS_READY_TIMEOUT="90",
        KHARNESS_NOTIFY="logger -t kharness",
        KHARNESS_KEEP_RELEASES="2",
        KHARNESS_POLICY="none",
        KHARNESS_ENFORCE="KH403",
    )
    assert settings.model_fields_set == HostSettings.model_fields.keys() - {"defaults", "networks", "waive"}
    assert settings.source_paths == (Path("/a"), Path("/b"))
    assert settings.projects == (Path("/stacks/*"), Path("/srv/shop"))
    assert (settings.launch_parallel, settings.start_engine, settings.ready_timeout) == (9, False, 90.0)


@pytest.mark.parametrize(
    ("said", "repository"),
    [
        ({"KHARNESS_REPOSITORY": "a", "KTOOLS_REPOSITORY": "b", "project": "c", "user": "d", "system": "e"}, "a"),
        ({"KTOOLS_REPOSITORY": "b", "project": "c", "user": "d", "system": "e"}, "b"),
        ({"KHARNESS_REPOSITORY": "", "project": "c", "user": "d", "system": "e"}, "c"),
        ({"user": "d", "system": "e"}, "d"),
        ({"system": "e"}, "e"),
    ],
)
def test_the_nearest_place_counts(load: Load, said: dict[str, str], repository: str) -> None:
    texts = {
        key: f"{'[tool.kharness]' if key == 'project' else ''}\nrepository = '{value}'" if key.islower() else value
        for key, value in said.items()
    }
    assert load(**texts).repository == repository


def test_each_key_comes_from_its_own_place_and_paths_from_beside_it(load: Load, tmp_path: Path) -> None:
    settings = load(
        project='[tool.kharness]\nsource_paths = ["containers", "../more"]',
        user='dv = "dv"\nsource_paths = ["unused"]',
        system='base = "debian"\ndv = "unused"',
    )
    assert settings.source_paths == (tmp_path / "project/containers", tmp_path / "more")
    assert settings.dv == tmp_path / "user/dv"
    assert settings.base == "debian"


@pytest.mark.parametrize("name", ["KTOOLS_D_SRC_DIR", "KHARNESS_D_SRC_DIR", "KHARNESS_SOURCE_PATHS"])
def test_source_paths_of_the_environment_are_separated_by_colons(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(project='[tool.kharness]\nsource_paths = ["x"]', **{name: "a:/b::~/c"})
    assert settings.source_paths == (tmp_path / "a", Path("/b"), Path("~/c").expanduser())


def test_networks_are_merged_by_name(load: Load) -> None:
    settings = load(
        user='[networks.lan]\ndriver = "macvlan"',
        system='[networks.lan]\ninternal = true\n[networks.wan]\nsubnet = "192.0.2.0/24"',
    )
    assert settings.networks == {"lan": NetworkDecl(driver="macvlan"), "wan": NetworkDecl(subnet="192.0.2.0/24")}


def test_a_project_of_others_is_not_read(load: Load) -> None:
    assert load(project="this is no TOML, and not ours").source_paths == ()
    assert source_paths(project=Path("/nowhere"), environ={}, user_file=Path("/x"), system_file=Path("/x")) == ()


def test_a_project_that_depends_on_kharness_may_say_nothing(load: Load) -> None:
    assert load(project='[project]\ndependencies = ["kharness"]').repository is None


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        ("project", "[tool.kharness]\nsorce_paths = []",
         "project/pyproject.toml: tool.kharness.sorce_paths: unknown key, did you mean 'source_paths'?"),
        ("project", "[tool.kharness]\nsource_paths = 'x'",
         "project/pyproject.toml: tool.kharness.source_paths: should be a list, not 'x'"),
        ("project", "[tool.kharness]\nsource_paths = [5]",
         "project/pyproject.toml: tool.kharness.source_paths[0]: should be a path, not 5"),
        ("project", "tool.kharness = 5", "project/pyproject.toml: tool.kharness: should be a table"),
        ("user", "launch_parallel = 0", "user/config.toml: launch_parallel: should be at least 1, not 0"),
        ("user", "launch_parallel = 2024-01-01",
         "user/config.toml: launch_parallel: should be a whole number, not a date"),
        ("user", "base = 'gentoo'", "user/config.toml: base: should be one of alpine, debian, not 'gentoo'"),
        ("user", "repository = 'Big'",
         "user/config.toml: repository: should be a repository such as ktools, not 'Big'"),
        ("user", "engine = '/run/x.sock'", ("user/config.toml: engine: should be an engine's address such as "
         "unix:///var/run/docker.sock, not '/run/x.sock'")),
        ("user", "test_subnets = '10.0.0.1/8'",
         "user/config.toml: test_subnets: should be an IPv4 network such as 10.213.0.0/16, not '10.0.0.1/8'"),
        ("user", "start_engine = 'yes'", "user/config.toml: start_engine: should be true or false, not 'yes'"),
        ("user", "dv = ''", "user/config.toml: dv: should be a path, not ''"),
        ("system", "[networks.lan]\nsubnet = 'x'",
         "system/config.toml: networks.lan.subnet: should be a network such as 10.1.0.0/16, not 'x'"),
        ("system", "[networks.lan]\nsubnets = 'x'",
         "system/config.toml: networks.lan.subnets: unknown key, did you mean 'subnet'?"),
        ("system", "networks = 5", "system/config.toml: networks: should be a mapping, not 5"),
        ("KTOOLS_LAUNCH_PARALLEL", "x", "KTOOLS_LAUNCH_PARALLEL: should be a whole number, not 'x'"),
        ("KHARNESS_START_ENGINE", "perhaps", "KHARNESS_START_ENGINE: should be true or false, not 'perhaps'"),
        ("KHARNESS_BASE", "x", "KHARNESS_BASE: should be one of alpine, debian, not 'x'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_it_is(load: Load, tmp_path: Path, place: str, text: str, message: str) -> None:
    where = f"{tmp_path}/" if place.islower() else "environment: "
    assert complaints(load, **{place: text}) == [f"{where}{message}"]


@pytest.mark.parametrize("text", ["[tool.kharness", "x = ", "x = 1\nx = 2"])
def test_what_is_no_toml_is_told_with_its_place(load: Load, tmp_path: Path, text: str) -> None:
    [line] = complaints(load, user=text)
    assert re.fullmatch(rf"{tmp_path}/user/config.toml: is not valid TOML: [a-z].* \(at .*\)", line)


def test_the_problems_of_all_places_come_at_once(load: Load, tmp_path: Path) -> None:
    found = complaints(load, project="[tool.kharness]\nx = 1", user="y = 1\nbase = 2", KHARNESS_BASE="z")
    assert [line.removeprefix(f"{tmp_path}/").partition(": ")[0] for line in found] == [
        "project/pyproject.toml",
        "user/config.toml",
        "user/config.toml",
        "environment",
    ]


def test_a_file_that_is_not_utf_8_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b"x = '\xff'")
    with pytest.raises(SettingsError) as caught:
        source_paths(project=None, environ={}, user_file=file, system_file=tmp_path / "missing")
    assert str(caught.value) == f"{file}: should be UTF-8"


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        source_paths(project=None, environ={}, user_file=tmp_path, system_file=tmp_path / "missing")
    assert str(caught.value) == f"{tmp_path}: cannot be read: Is a directory"


def test_the_light_way_tells_a_wrong_list_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.kharness]\nsource_paths = 5")
    with pytest.raises(SettingsError) as caught:
        source_paths(project=tmp_path, environ={}, user_file=tmp_path / "x", system_file=tmp_path / "x")
    assert str(caught.value) == f"{tmp_path}/pyproject.toml: tool.kharness.source_paths: should be a list of paths"

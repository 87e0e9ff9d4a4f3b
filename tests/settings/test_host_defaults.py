"""What the host's configuration says for all containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import SettingsError
from kharness.settings.host import FOR_ALL, OWN_KEY, HostSettings, load_host_settings
from kharness.settings.load import load_settings
from kharness.settings.model import Settings
from kharness.settings.service import ServiceKeys


def host(tmp_path: Path, *, project: str = "", user: str = "", system: str = "") -> HostSettings:
    places = {"pyproject.toml": project, "user.toml": user, "system.toml": system}
    for name, text in places.items():
        (tmp_path / name).write_text(text)
    files = {"user_file": tmp_path / "user.toml", "system_file": tmp_path / "system.toml"}
    return load_host_settings(project=tmp_path, environ={}, **files)


def complaints(tmp_path: Path, **texts: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        host(tmp_path, **texts)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def web(tmp_path: Path, text: str, found: HostSettings) -> Settings:
    path = tmp_path / "web"
    path.mkdir()
    (path / "settings.yaml").write_text(f"image: x\n{text}")
    return load_settings(path, below=found.defaults)


def test_they_hold_where_a_container_says_nothing_else(tmp_path: Path) -> None:
    found = host(
        tmp_path,
        system="""
        [defaults]
        mem_limit = "256m"
        dns = ["192.0.2.53"]
        environment = { TZ = "UTC", LANG = "C" }
        logging = { driver = "local", options = { max-size = "1m" } }
        """,
        user='[defaults]\nmem_limit = "512m"\nenvironment = { LANG = "de" }\nrestart = "always"\n',
        project='[tool.kharness.defaults]\nlabels = ["site=home"]\n',
    )
    settings = web(tmp_path, "dns: []\nenvironment: [TZ=local]\nlogging: {options: {max-file: 3}}\n", found)
    assert (settings.mem_limit, settings.dns) == (512 << 20, ())
    assert settings.environment == {"TZ": "local", "LANG": "de"}
    assert settings.logging is not None
    assert (settings.logging.driver, settings.logging.options) == ("local", {"max-file": "3"})
    assert settings.restart is not None
    assert (settings.restart.policy, settings.labels) == ("always", {"site": "home"})
    assert [source.called for source in found.defaults] == [
        f"the host's configuration ({tmp_path}/{name})" for name in ("system.toml", "user.toml", "pyproject.toml")
    ]


def test_a_problem_is_at_its_file_and_key(tmp_path: Path) -> None:
    said = complaints(
        tmp_path,
        user="[defaults]\nmem_limit = 'much'\nenvironment = { A = [1] }\nhealthcheck = {}\n",
        project="""
        [tool.kharness.defaults]
        image = "x"
        ports = [80]
        policy = { profile = "none" }
        networks = ["lan"]
        mem_limt = "1g"
        restart = "$POLICY"
        """,
    )
    of_one = "belongs to one container, and should be set in that one's settings.yaml"
    variable = "should be without variables, not '$POLICY'; write the value, or $$ for a dollar sign"
    assert sorted(said) == sorted(
        [
            f"pyproject.toml: tool.kharness.defaults.image: {of_one}",
            f"pyproject.toml: tool.kharness.defaults.ports: {of_one}",
            f"pyproject.toml: tool.kharness.defaults.policy: {OWN_KEY['policy']}",
            f"pyproject.toml: tool.kharness.defaults.networks: {OWN_KEY['networks']}",
            "pyproject.toml: tool.kharness.defaults.mem_limt: unknown key, did you mean 'mem_limit'?",
            f"pyproject.toml: tool.kharness.defaults.restart: {variable}",
            "user.toml: defaults.mem_limit: should be a size such as 512m or 1gb, not 'much'",
            "user.toml: defaults.environment.A: should be text, not a list",
            f"user.toml: defaults.healthcheck: {of_one}",
        ]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("defaults = 5", "system.toml: defaults: should be a table, not 5"),
        (
            '[defaults]\nmemswap_limit = "1g"',
            "system.toml: defaults.memswap_limit: should not be set without mem_limit",
        ),
        (
            "[defaults]\nulimits = { nofile = { soft = 5, hard = 3 } }",
            "system.toml: defaults.ulimits.nofile: should have a soft limit that is not above the hard one",
        ),
    ],
)
def test_what_makes_no_sense_for_any_container_is_told_once(tmp_path: Path, text: str, said: str) -> None:
    assert complaints(tmp_path, system=text) == [said]


def test_a_contradiction_with_a_container_names_both(tmp_path: Path) -> None:
    found = host(tmp_path, user='[defaults]\nmem_limit = "1g"\n')
    with pytest.raises(SettingsError) as caught:
        web(tmp_path, "memswap_limit: 512m\n", found)
    assert str(caught.value) == (
        f"{tmp_path}/web/settings.yaml: memswap_limit: should be at least mem_limit, it counts memory and swap "
        f"together; mem_limit is from the host's configuration ({tmp_path}/user.toml)"
    )


def test_each_is_a_key_of_a_service() -> None:
    assert ServiceKeys.model_fields.keys() > FOR_ALL

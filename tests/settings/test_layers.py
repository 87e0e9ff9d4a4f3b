"""Settings laid over each other, from the host's to a flag's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kharness.errors import SettingsError
from kharness.settings.flags import from_environment, from_flags
from kharness.settings.layers import SettingsLayer, merge_layers
from kharness.settings.load import load_laid, load_settings
from kharness.settings.model import Settings

HOST = SettingsLayer(
    said={}, file=Path("/etc/host.toml"), prefix="defaults", called="the host's configuration (/etc/host.toml)"
)


def over(*saids: dict[str, Any], unsets: bool = True) -> dict[str, Any]:
    sources = (
        SettingsLayer(said=said, file=Path(str(number)), unsets=unsets and number > 0)
        for number, said in enumerate(saids)
    )
    return dict(merge_layers(sources).value)


@pytest.mark.parametrize(
    ("below", "above", "found"),
    [
        pytest.param({"user": "a", "tty": True}, {"user": "b"}, {"user": "b", "tty": True}, id="a value is replaced"),
        pytest.param({"ports": [1, 2]}, {"ports": [3]}, {"ports": [3]}, id="a list is replaced"),
        pytest.param({"networks": {"a": {}}}, {"networks": {"b": {}}}, {"networks": {"b": {}}}, id="and networks"),
        pytest.param(
            {"environment": ["A=1", "B=2=3"]},
            {"environment": {"A": "4", "C": "5"}},
            {"environment": {"A": "4", "B": "2=3", "C": "5"}},
            id="variables are merged, whichever form they have",
        ),
        pytest.param(
            {"environment": {"test": "1", "labels": "x"}},
            {"environment": {"labels": "y"}},
            {"environment": {"test": "1", "labels": "y"}},
            id="a variable may be called like a key",
        ),
        pytest.param(
            {"extra_hosts": ["a:192.0.2.1", "a=192.0.2.2"]},
            {"extra_hosts": ["b=192.0.2.3"]},
            {"extra_hosts": {"a": ["192.0.2.1", "192.0.2.2"], "b": ["192.0.2.3"]}},
            id="hosts are merged",
        ),
        pytest.param(
            {"healthcheck": {"test": "x", "retries": 3}},
            {"healthcheck": {"retries": 5}},
            {"healthcheck": {"test": "x", "retries": 5}},
            id="a section is merged",
        ),
        pytest.param(
            {"test": {"environment": {"A": "1"}, "timeout": 5}},
            {"test": {"environment": ["B=2"]}},
            {"test": {"environment": {"A": "1", "B": "2"}, "timeout": 5}},
            id="what is merged is merged below test, too",
        ),
        pytest.param(
            {"logging": {"driver": "json-file", "options": {"max-size": "1m"}}},
            {"logging": {"driver": "local"}},
            {"logging": {"driver": "local"}},
            id="another driver has no options of the first",
        ),
        pytest.param(
            {"logging": {"driver": "local", "options": {"a": 1}}},
            {"logging": {"options": {"b": 2}}},
            {"logging": {"driver": "local", "options": {"b": 2}}},
            id="the same driver is kept",
        ),
        pytest.param({"mem_limit": "1g"}, {"mem_limit": None}, {}, id="null means the default"),
        pytest.param({"test": {"user": "x"}}, {"test": {"user": None}}, {"test": {}}, id="in a section, too"),
        pytest.param({"labels": {"a": "1"}}, {"labels": {"a": None}}, {"labels": {"a": None}}, id="but no label's"),
    ],
)
def test_what_is_said_above_counts(below: dict[str, Any], above: dict[str, Any], found: dict[str, Any]) -> None:
    assert over(below, above) == found


def test_null_in_a_file_is_no_default() -> None:
    assert over({"mem_limit": "1g"}, {"mem_limit": None}, unsets=False) == {"mem_limit": None}


@pytest.fixture
def web(tmp_path: Path) -> Path:
    path = tmp_path / "web"
    path.mkdir()
    (path / "Dockerfile").touch()
    return path


def read(web: Path, text: str, *, host: dict[str, Any] | None = None, **flags: tuple[str, ...] | bool) -> Settings:
    (web / "settings.yaml").write_text(text)
    below = SettingsLayer(said=host or {}, file=HOST.file, prefix=HOST.prefix, called=HOST.called)
    return load_settings(web, below=[below], above=[from_environment({}), from_flags(flags)])


def complaints(web: Path, text: str, *, host: dict[str, Any] | None = None, **flags: tuple[str, ...]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(web, text, host=host, **flags)
    return str(caught.value).replace(f"{web}/", "").splitlines()


def test_all_of_it_is_validated_together(web: Path) -> None:
    found = read(web, "memswap_limit: 2g\nports: [80]", host={"mem_limit": "1g", "dns": "192.0.2.53"}, ports=("443",))
    assert (found.mem_limit, found.memswap_limit, found.dns) == (1 << 30, 2 << 30, ("192.0.2.53",))
    assert [port.target for port in found.ports] == [443]


def test_a_problem_names_the_place_that_it_is_from(web: Path) -> None:
    said = complaints(
        web,
        "user: [x]\nenvironment: [A=1]\nmemswap_limit: 1g\nnonsense: 1\n",
        host={"cpus": -1},
        ports=("80", "http"),
        healthcheck=("intervall=5s",),
        environment=("B",),
    )
    untold = 'should have a value; kharness passes nothing on from its own environment (write "" for no text)'
    assert said == [
        "/etc/host.toml: defaults.cpus: should be a number above 0, such as 1.5, not -1",
        f"command line: --environment.B: {untold}",
        "command line: --healthcheck.intervall: unknown key, did you mean 'interval'?",
        "command line: --ports[1]: should be a port, or [HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL], not 'http'",
        "settings.yaml: user: should be text, not a list",
        "settings.yaml: nonsense: unknown key",
    ]


def test_a_contradiction_names_both_places(web: Path) -> None:
    contradicts = "should be at least mem_limit, it counts memory and swap together"
    assert complaints(web, "memswap_limit: 512m", mem_limit=("1g",)) == [
        f"settings.yaml: memswap_limit: {contradicts}; mem_limit is from --mem-limit"
    ]
    assert complaints(web, "mem_limit: 1g", memswap_limit=("512m",)) == [
        f"command line: --memswap-limit: {contradicts}; mem_limit is from settings.yaml"
    ]


def test_what_is_wrong_in_the_file_is_not_hidden_by_a_flag(web: Path) -> None:
    assert complaints(web, "environment: 5", environment=("A=1",)) == [
        "settings.yaml: environment: should be a mapping, or a list of NAME=VALUE"
    ]
    [said] = complaints(web, "user: $NAME", user=("x",))
    assert said.startswith("settings.yaml: user: should be without variables, not '$NAME'")


def test_a_dollar_sign_of_a_flag_is_a_dollar_sign(web: Path) -> None:
    assert read(web, "{}", environment=("A=$HOME$$",)).environment == {"A": "$HOME$$"}


def test_in_a_test_instance_a_flag_wins_over_what_the_file_says_of_tests(web: Path) -> None:
    (web / "settings.yaml").write_text("test: {mem_limit: 64m, environment: {A: x, B: x}, timeout: 3}\n")
    flags = from_flags({"mem_limit": ("1g",), "environment": ("A=1",), "read_only": False}, in_test=True)
    found = load_laid(web, above=[flags]).settings.test
    assert (found.mem_limit, found.environment, found.timeout) == (1 << 30, {"A": "1", "B": "x"}, 3)
    assert found.read_only is False
    with pytest.raises(SettingsError) as caught:
        load_laid(web, above=[from_flags({"mem_limit": ("much",)}, in_test=True)])
    assert str(caught.value) == "command line: --mem-limit: should be a size such as 512m or 1gb, not 'much'"

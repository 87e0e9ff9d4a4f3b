from __future__ import annotations

from pathlib import Path

import pytest
from filewatch.config import Config, ConfigError, ScanConfig, ServerConfig, read_config
from filewatch.rules import FORMS

EXAMPLE = Path(__file__).resolve().parent.parent / "filewatch.toml"


def read(tmp_path: Path, *texts: str) -> Config:
    files = [tmp_path / f"{number}.toml" for number, _ in enumerate(texts)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return read_config(files)


def problems(tmp_path: Path, *texts: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, *texts)
    return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def test_a_rule_is_all_that_must_be_said(tmp_path: Path) -> None:
    config = read(tmp_path, '[rules]\n"/a" = 5')
    assert config.server == ServerConfig()
    assert config.scan == ScanConfig()
    assert [rule.pattern.text for rule in config.rules] == ["/a"]


def test_the_example_is_valid_and_names_every_key() -> None:
    config = read_config([EXAMPLE])
    assert config.rules
    text = EXAMPLE.read_text()
    for name in (*ServerConfig.__dataclass_fields__, *ScanConfig.__dataclass_fields__):
        key = {"host": "listen", "port": "listen"}.get(name, name)
        assert f"\n{key} = " in text or f"\n# {key} = " in text


def test_every_problem_is_told_at_once_with_its_file_and_key(tmp_path: Path) -> None:
    text = """
        colour = "red"
        scan = 3
        [server]
        listen = 8080
        connections = 0
        timeout = true
        speed = 1
        [rules]
        "relative" = 5
        "/a" = "OLD"
    """
    assert problems(tmp_path, text) == [
        "0.toml: colour: should be one of server, scan, rules",
        "0.toml: scan: should be a table, not 3",
        "0.toml: server.speed: should be one of connections, listen, timeout",
        "0.toml: server.listen: should be 'HOST:PORT' or '[IPv6]:PORT', not 8080",
        "0.toml: server.timeout: should be a number from 0.1 up, not True",
        "0.toml: server.connections: should be a whole number from 1 up, not 0",
        "0.toml: rules.'relative': should be an absolute path below /",
        f"0.toml: rules.'/a': should be {FORMS}, not 'OLD'",
    ]


@pytest.mark.parametrize("text", ["", "[rules]", "[scan]\nevery = 1"])
def test_a_configuration_that_watches_nothing_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == [
        "0.toml: rules: should have at least one path: who watches nothing would say 'all ok'"
    ]


@pytest.mark.parametrize("text", ["[rules", '[rules]\n"/a" = 1\n"/a" = 2', "x ="])
def test_what_is_no_toml_is_told_with_the_place(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("0.toml: should be TOML in UTF-8, not: ")
    assert "at " in problem


def test_a_file_that_cannot_be_read_is_a_problem_like_others(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'[rules]\n"/\xe9" = 1')
    with pytest.raises(ConfigError) as caught:
        read_config([tmp_path / "absent", tmp_path, tmp_path / "latin"])
    absent, directory, latin = caught.value.problems
    assert absent == f"{tmp_path}/absent: should be readable, not: No such file or directory"
    assert directory == f"{tmp_path}: should be readable, not: Is a directory"
    assert latin.startswith(f"{tmp_path}/latin: should be TOML in UTF-8")


def test_a_later_file_adds_rules_and_replaces_keys(tmp_path: Path) -> None:
    config = read(
        tmp_path, '[scan]\nevery = 20\nmax_files = 7\n[rules]\n"/a" = 5', '[scan]\nevery = 1\n[rules]\n"/b" = 6'
    )
    assert (config.scan.every, config.scan.max_files) == (1, 7)
    assert [rule.pattern.text for rule in config.rules] == ["/a", "/b"]


def test_a_path_in_two_files_is_refused_because_nobody_could_tell_which_is_meant(tmp_path: Path) -> None:
    assert problems(tmp_path, '[rules]\n"/a" = 5', '[rules]\n"/a" = 6') == [
        f"1.toml: rules.'/a': should be said once, not also in {tmp_path}/0.toml".replace(f"{tmp_path}/", "")
    ]


@pytest.mark.parametrize(
    ("said", "host", "port"),
    [("0.0.0.0:80", "0.0.0.0", 80), ("[::1]:8080", "::1", 8080), ("localhost:0", "localhost", 0)],
)
def test_an_address_is_a_host_and_a_port(tmp_path: Path, said: str, host: str, port: int) -> None:
    config = read(tmp_path, f'[server]\nlisten = "{said}"\n[rules]\n"/a" = 5')
    assert (config.server.host, config.server.port) == (host, port)


@pytest.mark.parametrize(
    "said", ["8080", ":8080", "host", "host:", "::1:80", "host:65536", "host:-1", "host:²", "[]:1"]
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, said: str) -> None:
    (problem,) = problems(tmp_path, f'[server]\nlisten = "{said}"\n[rules]\n"/a" = 5')
    assert problem == f"0.toml: server.listen: should be 'HOST:PORT' or '[IPv6]:PORT', not '{said}'"


def test_a_slow_rate_moves_the_age_at_which_a_scan_is_too_old(tmp_path: Path) -> None:
    assert read(tmp_path, '[scan]\nevery = 300\n[rules]\n"/a" = 5').scan.stale_after == 900


def test_a_scan_may_not_be_too_old_before_two_are_due(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[scan]\nevery = 30\nstale_after = 59\n[rules]\n"/a" = 5')
    assert problem == "0.toml: scan.stale_after: should be a number from 60 up, not 59"

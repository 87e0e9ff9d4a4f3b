from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kharness.engine import start
from kharness.engine.start import SYSTEM, DaemonPaths, answers
from kharness.errors import EngineError, EngineUnavailableError


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that is all of PATH."""
    monkeypatch.setattr(start, "SYSTEM_PATH", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_where_no_engine_is_installed_none_is_started(programs: Path) -> None:
    program(programs, "apt-get", "true")
    with pytest.raises(EngineUnavailableError) as caught:
        start.start_local_engine(state_dir=programs, progress=print)
    assert str(caught.value) == (
        "no engine is installed: `apt-get install --yes --no-install-recommends docker.io iptables`, "
        "or `kharness engine start --install`"
    )


@pytest.mark.usefixtures("programs")
def test_without_apt_nothing_is_installed() -> None:
    assert start.install_command() is None
    with pytest.raises(EngineError, match="no apt-get"):
        start.install_engine(print)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_only_root_starts_the_engine(programs: Path) -> None:
    program(programs, "dockerd", "true")
    with pytest.raises(EngineUnavailableError, match="only root"):
        start.start_local_engine(state_dir=programs, progress=print)


def test_an_installation_tells_what_it_does(programs: Path) -> None:
    program(programs, "apt-get", 'echo "$DEBIAN_FRONTEND $*"')
    lines: list[str] = []
    start.install_engine(lines.append)
    assert lines == [
        "noninteractive update",
        "noninteractive install --yes --no-install-recommends docker.io iptables",
    ]


def test_a_failed_installation_ends_with_its_last_lines(programs: Path) -> None:
    program(programs, "apt-get", "echo no network >&2; exit 100")
    with pytest.raises(EngineError) as caught:
        start.install_engine(lambda _line: None)
    assert str(caught.value) == "`apt-get update` failed (exit status 100)\n    no network"


def test_the_systems_own_daemon_gets_no_arguments_for_its_daemon_json_may_move_things() -> None:
    assert SYSTEM.arguments() == ()


def test_another_daemon_shares_nothing_with_it() -> None:
    paths = DaemonPaths.below(Path("/d"))
    assert paths.arguments() == (
        "--data-root", "/d/data", "--exec-root", "/d/exec", "--pidfile", "/d/pid", "--host", "unix:///d/sock",
    )  # fmt: skip


def test_nobody_answers_where_there_is_no_socket(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not answers(tmp_path / "file")
    assert not answers(tmp_path / "never")

"""How the server is set up and behaves as a process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("path", ["etc/dnsmasq.conf", "etc/dnsmasq.hosts"])
def test_private_configuration_wins_over_the_template(container: Any, path: str) -> None:
    private = HERE / "private.d" / path
    source = private if private.exists() else HERE / "files" / path

    assert container.exec("cat", f"/{path}").stdout == source.read_text(encoding="utf-8")


def test_it_runs_without_privileges(container: Any) -> None:
    status = container.exec("sh", "-c", "cat /proc/[0-9]*/status").stdout
    dnsmasq = next(each for each in status.split("Name:")[1:] if each.split()[0] == "dnsmasq")
    fields = dict(line.split(":", 1) for line in dnsmasq.splitlines()[1:])

    assert fields["Uid"].split() == ["1053"] * 4
    assert int(fields["CapEff"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"


def test_it_writes_nothing(container: Any) -> None:
    # Of the init process the engine itself leaves the place where it is mounted.
    engines = {"/sbin", "/usr", "/usr/sbin", "/sbin/docker-init", "/usr/sbin/docker-init"}

    assert [change for change in container.diff() if change.path not in engines] == []


def test_its_log_is_the_containers(container: Any) -> None:
    assert "dnsmasq" in container.logs()
    assert "started" in container.logs()


def test_it_reads_its_hosts_file_again_when_hung_up(private_container: Any) -> None:
    private_container.kill("HUP")

    deadline = time.monotonic() + 5.0
    while private_container.logs().count("read /etc/dnsmasq.hosts") < 2 and time.monotonic() < deadline:
        time.sleep(0.05)

    assert private_container.logs().count("read /etc/dnsmasq.hosts") == 2
    assert private_container.is_running

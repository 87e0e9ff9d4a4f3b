"""Hosts themselves: how they are made and named, and that nothing of them stays."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.host.image.base import Suite
from tests.hosts.machine import host
from tests.hosts.network import Network, network
from tests.hosts.recipe import FORKY, TRIXIE, HostsUnavailableError, mirror_of
from tests.hosts.store import Store, cache_directory, check_mirror

ASK = """
import sys, time, urllib.request
for _ in range(100):
    try:
        print(urllib.request.urlopen(sys.argv[1]).read().decode())
        break
    except OSError:
        time.sleep(0.1)
"""


def test_a_host_is_kept_under_what_it_is_made_of() -> None:
    assert TRIXIE.key == replace(TRIXIE).key
    assert replace(TRIXIE, packages=("git",)).key != TRIXIE.key
    assert replace(TRIXIE, further=()).key == TRIXIE.key
    assert TRIXIE.key.startswith("trixie-")


def test_the_mirror_is_the_machine_s_own() -> None:
    lines = ("http://mirror.example/security bookworm-security main", "http://mirror.example/debian bookworm main")
    assert mirror_of(Suite(codename="bookworm", sources=lines)) == "http://mirror.example/debian"
    assert FORKY.command("http://mirror.example/debian", Path("/x"))[-3:] == (
        "forky",
        "/x",
        "http://mirror.example/debian",
    )
    for suite, reason in ((Suite(), "name no mirror"), (Suite(distribution="ubuntu"), "runs ubuntu")):
        with pytest.raises(HostsUnavailableError, match=reason):
            mirror_of(suite)


def test_the_cache_is_outside_the_project() -> None:
    home = Path("/home/me")
    assert cache_directory({}, home) == home / ".cache/kharness-hosts"
    assert cache_directory({"XDG_CACHE_HOME": "/c"}, home) == Path("/c/kharness-hosts")
    assert cache_directory({"XDG_CACHE_HOME": "/c", "KHARNESS_HOSTS_CACHE": "/k"}, home) == Path("/k")


def test_an_entry_of_the_cache_is_made_once_and_whole(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")

    def fail(new: Path) -> None:
        new.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.entry("a", fail)
    assert [each.name for each in store.directory.iterdir()] == ["a.lock"]
    assert store.entry("a", lambda new: void(new.write_text("whole"))).read_text() == "whole"
    assert store.entry("a", fail).read_text() == "whole"


def test_what_nothing_uses_any_more_is_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in ("old", "new"):
        store.entry(name, Path.mkdir)
    os.utime(tmp_path / "old", (0, 0))
    store.entry("new", Path.mkdir)
    assert (tmp_path / "old").exists()
    store.entry("other", Path.mkdir)
    assert {each.name for each in tmp_path.iterdir() if each.is_dir()} == {"new", "other"}


@pytest.mark.hosts
def test_a_mirror_that_cannot_be_reached_is_named_at_once() -> None:
    with pytest.raises(
        HostsUnavailableError, match=r"^no host of Debian forky can be made: http://127\.0\.0\.1:1/debian"
    ):
        check_mirror("http://127.0.0.1:1/debian", "forky")


@pytest.mark.hosts
def test_two_hosts_reach_each_other_and_nothing_of_them_stays(bridge: Network, store: Store) -> None:
    with host(TRIXIE, bridge, store) as first, host(FORKY, bridge, store) as second:
        assert first.run("hostname").output.strip() == first.name
        assert first.run("cat", "/proc/1/comm").output == "bash\n"
        assert second.address in second.run("ip", "-4", "address", "show", "eth0").output
        first.run("sh", "-c", "mkdir /run/mine; echo x >/tmp/x; echo x >/etc/changed; sleep 600 >/dev/null 2>&1 &")
        served = ["python3", "-m", "http.server", "--directory", "/tmp", "8000"]
        second.run("sh", "-c", 'echo hello >/tmp/hello; "$@" >/dev/null 2>&1 & exit 0', "sh", *served)
        ask = ["python3", "-c", ASK, f"http://{second.address}:8000/hello"]
        assert first.run(*ask).output.strip() == "hello"
        assert "VERSION_CODENAME=trixie" in first.run("cat", "/etc/os-release").output
        assert not Path("/run/mine").exists()
        with pytest.raises(AssertionError, match="ended with status 3"):
            first.run("sh", "-c", "exit 3")
    assert not any(Path(f"/proc/{each.init}").exists() for each in (first, second))
    assert {first.name, second.name}.isdisjoint(lines("ip", "netns"))
    # The kernel removes the links of a namespace after its last process.
    deadline = time.monotonic() + 10
    while lines("ip", "-o", "link", "show", "master", bridge.bridge) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lines("ip", "-o", "link", "show", "master", bridge.bridge) == []
    with host(TRIXIE, bridge, store) as again:
        assert again.run("ls", "/etc/changed", status=None).status != 0


def void(_value: object) -> None:
    """Nothing is returned."""


def lines(*argv: str) -> list[str]:
    """What a command of the machine prints."""
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.hosts
def test_a_bridge_and_its_rules_go_with_it() -> None:
    before = rules()
    with network() as made:
        assert any(made.bridge in rule for rule in rules() - before)
        assert any(made.bridge in line for line in lines("ip", "-o", "link"))
    assert not any(made.bridge in rule for rule in rules())
    assert not any(made.bridge in line for line in lines("ip", "-o", "link"))


def rules() -> set[str]:
    """The rules of the machine's tables."""
    return {*lines("iptables", "-w", "-S"), *lines("iptables", "-w", "-t", "nat", "-S")}

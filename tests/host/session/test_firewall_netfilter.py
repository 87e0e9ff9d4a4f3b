"""Rules are listed and replaced through the program's own words; others' rules are not read."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.session.firewall import IPV4, FilterRule, read, replace

OURS = FilterRule("INPUT", ("-i", "kh0", "-m", "comment", "--comment", "kharness:one", "-j", "DROP"))
LISTED = """-P INPUT ACCEPT
-N DOCKER-USER
-A INPUT -i kh0 -m comment --comment "kharness:one" -j DROP
-A INPUT -i eth0 -m comment --comment "somebody's own" -j ACCEPT
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An iptables that lists these rules, and writes down what it is asked to restore."""
    (tmp_path / "listed").write_text(LISTED)
    for name, text in (("iptables", "cat {0}/listed"), ("iptables-restore", "cat > {0}/asked")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{text.format(tmp_path)}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "asked"


@pytest.mark.usefixtures("asked")
def test_chains_and_our_own_rules_are_listed() -> None:
    found = read(IPV4)
    assert found.chains == {"INPUT", "DOCKER-USER"}
    assert found.rules == (OURS,)
    assert (OURS.bridge, OURS.ours) == ("kh0", True)


def test_old_rules_go_and_new_ones_come_first_in_one_transaction(asked: Path) -> None:
    new = FilterRule("INPUT", ("-i", "kh0", "-m", "comment", "--comment", "kharness:two", "-j", "DROP"))
    replace(IPV4, "kh0", [OURS, new], chains=["INPUT"])
    assert asked.read_text().splitlines() == [
        "*filter",
        "-D INPUT -i kh0 -m comment --comment kharness:one -j DROP",
        "-I INPUT 1 -i kh0 -m comment --comment kharness:one -j DROP",
        "-I INPUT 2 -i kh0 -m comment --comment kharness:two -j DROP",
        "COMMIT",
    ]


def test_nothing_is_written_where_the_rules_are_these_already(asked: Path) -> None:
    replace(IPV4, "kh0", [OURS], chains=["INPUT"])
    assert not asked.exists()


@pytest.mark.usefixtures("asked")
def test_a_chain_that_is_missing_is_named() -> None:
    with pytest.raises(HostError, match="iptables has no chain FORWARD"):
        replace(IPV4, "kh0", [FilterRule("FORWARD", ("-i", "kh0"))], chains=["FORWARD"])

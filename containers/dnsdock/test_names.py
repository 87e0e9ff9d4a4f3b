"""What every client relies on; all of it only asks, so it may be tried on the production container as well."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

pytestmark = [pytest.mark.standalone, pytest.mark.prod_ready, pytest.mark.in_prod]


def hosts(container: Any) -> list[tuple[str, str]]:
    """Read (address, name) pairs from the hosts file that the server was given."""
    lines = container.exec("cat", "/etc/dnsmasq.hosts").stdout.splitlines()
    entries = [line.partition("#")[0].split() for line in lines]
    return [(entry[0], name) for entry in entries if entry for name in entry[1:]]


def test_every_name_of_the_hosts_file_is_answered(server: Any, container: Any) -> None:
    wrong = []
    for address, name in hosts(container):
        kind = "A" if ipaddress.ip_address(address).version == 4 else "AAAA"
        code, found = server.ask(name, kind)
        if address not in found:
            wrong.append(f"{name} {kind}: {code} {found}, not {address}")

    assert wrong == []


def test_the_name_that_the_health_check_asks_for_is_answered(server: Any) -> None:
    assert server.ask("healthy.invalid") == ("NOERROR", ["127.0.0.1"])


def test_a_name_that_does_not_exist_is_denied(server: Any) -> None:
    assert server.ask("no-such-name.invalid") == ("NXDOMAIN", [])


def test_the_health_check_fails_when_its_question_is_not_answered(container: Any) -> None:
    assert container.exec("busybox", "nslookup", "-type=a", "healthy.invalid", "127.0.0.1").ok
    assert not container.exec("busybox", "nslookup", "-type=a", "no-such-name.invalid", "127.0.0.1").ok

"""Ports of the host that are wanted twice."""

from __future__ import annotations

import pytest

from kharness.plan.facts import ContainerFacts, PortRef, PublishedPort
from kharness.plan.host import address_text, clash, listening_ports, taken_by_containers
from kharness.plan.launch.runspec import Publish


def publish(port: int | None = 8080, ip: str | None = None, protocol: str = "tcp") -> Publish:
    return Publish(port=PortRef(80, protocol), host_ip=ip, host_port=port)


def has(port: int = 8080, ip: str = "0.0.0.0", protocol: str = "tcp") -> PublishedPort:
    return PublishedPort(port=PortRef(9, protocol), host_ip=ip, host_port=port)


@pytest.mark.parametrize(
    ("wanted", "other", "expected"),
    [
        (publish(), has(), True),
        (publish(), has(8081), False),
        (publish(), has(protocol="udp"), False),
        (publish(ip="127.0.0.1"), has(), True),
        (publish(), has(ip="127.0.0.1"), True),
        (publish(ip="127.0.0.1"), has(ip="127.0.0.1"), True),
        (publish(ip="127.0.0.1"), has(ip="10.0.0.5"), False),
        (publish(ip="127.0.0.1"), has(ip="::"), False),
        (publish(ip="::1"), has(ip="::"), True),
        (publish(), has(ip="::"), True),
        (publish(ip="::1"), has(), False),
    ],
)
def test_two_ports_clash_where_they_have_an_address_in_common(
    wanted: Publish, other: PublishedPort, *, expected: bool
) -> None:
    assert clash(wanted, other) is expected


def test_who_runs_and_is_not_replaced_has_a_port() -> None:
    others = [
        ContainerFacts(id="1", name="replaced", image_id="i", state="running", published=(has(),)),
        ContainerFacts(id="2", name="ended", image_id="i", state="exited", published=(has(),)),
        ContainerFacts(id="3", name="proxy", image_id="i", state="running", published=(has(),)),
    ]
    wanted = (publish(), publish(None), publish(8081))
    assert list(taken_by_containers(wanted, others, but=["1"])) == [(wanted[0], "proxy")]
    assert list(taken_by_containers(wanted, others, but=["1", "3"])) == []


@pytest.mark.parametrize(
    ("wanted", "text"),
    [(publish(), "8080/tcp"), (publish(ip="127.0.0.1"), "127.0.0.1:8080/tcp"), (publish(ip="::1"), "[::1]:8080/tcp")],
)
def test_a_port_is_told_with_the_address_that_was_said(wanted: Publish, text: str) -> None:
    assert address_text(wanted) == text


HEAD = "  sl  local_address rem_address   st\n"


@pytest.mark.parametrize(
    ("rows", "ports"),
    [
        ("   0: 00000000:0050 00000000:0000 0A 0\n", {80}),
        ("   0: 0100007F:0050 00000000:0000 0A 0\n", set()),
        ("   0: 00000000:0050 0A000001:1234 01 0\n", set()),
        ("   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A\n", {8080}),
        ("   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A\n", set()),
        # the engine's own resolver, and the same as IPv6 has it
        ("   0: 0B00007F:1F90 00000000:0000 0A\n", set()),
        ("   0: 0000000000000000FFFF00000B00007F:1F90 00000000000000000000000000000000:0000 0A\n", set()),
        ("   0: 0000000000000000FFFF00000100000A:1F90 00000000000000000000000000000000:0000 0A\n", {8080}),
        # 10.0.0.127
        ("   0: 7F00000A:1F90 00000000:0000 0A\n", {8080}),
    ],
)
def test_only_sockets_that_others_can_reach_count_as_listening(rows: str, ports: set[int]) -> None:
    assert listening_ports([HEAD + rows]) == ports

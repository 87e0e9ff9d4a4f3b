"""Published and exposed ports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kharness.settings.model import Settings
from kharness.settings.ports import ExposedPort, Port

Read = Callable[[str], Settings]


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", [Port(target=80)]),
        ("'80'", [Port(target=80)]),
        ("53:53", [Port(target=53, published=53)]),
        ("53:53/udp", [Port(target=53, published=53, protocol="udp")]),
        ("9/sctp", [Port(target=9, protocol="sctp")]),
        ("127.0.0.1:8080:80", [Port(target=80, published=8080, host_ip="127.0.0.1")]),
        ("127.0.0.1::80", [Port(target=80, host_ip="127.0.0.1")]),
        ("'[::1]:8080:80'", [Port(target=80, published=8080, host_ip="::1")]),
        ("'[2001:DB8::1]:8080:80/tcp'", [Port(target=80, published=8080, host_ip="2001:db8::1")]),
        ("80-81", [Port(target=80), Port(target=81)]),
        (
            "8000-8002:9000-9002/udp",
            [Port(target=9000 + i, published=8000 + i, protocol="udp") for i in range(3)],
        ),
        ("{target: 80}", [Port(target=80)]),
        (
            "{target: 80, published: '8080', host_ip: 127.0.0.1, protocol: udp}",
            [Port(target=80, published=8080, host_ip="127.0.0.1", protocol="udp")],
        ),
    ],
)
def test_a_published_port_has_short_and_long_forms(read: Read, text: str, ports: list[Port]) -> None:
    assert read(f"ports: [{text}]").ports == tuple(ports)


def test_a_range_stands_in_its_place_of_the_list(read: Read) -> None:
    settings = read("ports: [1, 5-6, 9]")
    assert [port.target for port in settings.ports] == [1, 5, 6, 9]


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", [ExposedPort(port=80)]),
        ("'80'", [ExposedPort(port=80)]),
        ("53/udp", [ExposedPort(port=53, protocol="udp")]),
        ("8000-8001/tcp", [ExposedPort(port=8000), ExposedPort(port=8001)]),
    ],
)
def test_an_exposed_port_is_a_number_or_a_text(read: Read, text: str, ports: list[ExposedPort]) -> None:
    assert read(f"expose: [{text}]").expose == tuple(ports)

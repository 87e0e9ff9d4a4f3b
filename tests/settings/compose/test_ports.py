"""Published ports: each short form as its long one."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kharness.settings.compose.ports import ports
from kharness.settings.compose.scalars import Faults


def long(target: int, published: str | None = None, *, protocol: str = "tcp", **more: Any) -> dict[str, Any]:
    shown = {} if published is None else {"published": published}
    return {"mode": "ingress", "target": target, "protocol": protocol, **shown, **more}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (80, [long(80)]),
        ("8080:80", [long(80, "8080")]),
        ("8080-8081:80-81", [long(80, "8080"), long(81, "8081")]),
        ("7000-7010:7000", [long(7000, "7000-7010")]),
        ("127.0.0.1::53/udp", [long(53, protocol="udp", host_ip="127.0.0.1")]),
        (":8443:443", [long(443, "8443")]),
        ("5353:53/UDP", [long(53, "5353", protocol="udp")]),
        ("[::1]:9:9", [long(9, "9", host_ip="::1")]),
        ("127.0.0.1:0:80", [long(80, "0", host_ip="127.0.0.1")]),
        ({"target": 80, "published": 8080, "mode": "host"}, [long(80, "8080", mode="host")]),
        ({"target": "80", "published": "8080-8090"}, [long(80, "8080-8090")]),
    ],
)
def test_a_port_is_read_in_all_its_forms(said: Any, expected: list[dict[str, Any]]) -> None:
    faults: Faults = []
    assert ports([said], (), faults) == expected
    assert not faults


@pytest.mark.parametrize(
    "said",
    [
        "::1:8080:80",
        "80:90-91",
        "70000",
        "80/http",
        "x:80",
        "90-80",
        {"published": 80},
        {"target": 0},
        True,
        "1.2.3:1:1",
    ],
)
def test_what_is_no_port_is_a_fault(said: Any) -> None:
    faults: Faults = []
    ports([said], ("ports",), faults)
    assert [loc[:2] for loc, _ in faults] == [("ports", 0)]


def test_an_unknown_key_is_a_fault_at_its_place() -> None:
    faults: Faults = []
    ports([{"target": 80, "publish": 8080}], ("ports",), faults)
    assert faults == [(("ports", 0, "publish"), "unknown key")]


def test_four_thousand_ports_are_read_in_a_moment() -> None:
    began = time.process_time()
    assert len(ports(["30000-34000:30000-34000/udp"], (), [])) == 4001
    # Comparing each with each would take seconds.
    assert time.process_time() - began < 1.0

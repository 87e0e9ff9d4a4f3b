"""Which routes a subnet overlaps with."""

from __future__ import annotations

import sys
from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.plan.session.networks import Route, candidate_subnets, overlapping, routes_of

TABLE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
kht-1a\t4000D50A\t00000000\t0001\t0\t0\t0\tC0FFFFFF\t0\t0\t0
"""
DOCKER, TEST = Route(IPv4Network("172.17.0.0/16"), "docker0"), Route(IPv4Network("10.213.0.64/26"), "kht-1a")


@pytest.mark.skipif(sys.byteorder == "big", reason="the table is that of a little-endian machine")
def test_the_kernels_table_is_read_without_the_default_route() -> None:
    assert routes_of(TABLE) == (DOCKER, TEST)
    assert routes_of("") == ()


@pytest.mark.parametrize(
    ("subnet", "own", "expected"),
    [
        ("172.17.4.0/24", (), [DOCKER]),
        ("172.0.0.0/8", (), [DOCKER]),
        ("172.18.0.0/16", (), []),
        ("10.213.0.0/16", (), [TEST]),
        ("10.213.0.0/16", ("kht-",), []),
        ("fd00::/64", (), []),
    ],
)
def test_a_subnet_takes_a_route_away(subnet: str, own: tuple[str, ...], expected: list[Route]) -> None:
    assert list(overlapping(subnet, (DOCKER, TEST), own=own)) == expected


@given(seed=st.integers(min_value=0, max_value=2**32))
def test_subnets_are_of_the_pool_and_do_not_overlap(seed: int) -> None:
    found = [IPv4Network(text) for text in candidate_subnets("10.213.0.0/16", seed=seed)]
    assert len(found) == 32
    assert all(network.subnet_of(IPv4Network("10.213.0.0/16")) for network in found)
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))


def test_a_pool_smaller_than_a_subnet_is_used_whole() -> None:
    assert list(candidate_subnets("10.0.0.0/28", seed=7)) == ["10.0.0.0/28"]

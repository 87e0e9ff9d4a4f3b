"""What newer engines alone can do: given by them, and left out or refused in one sentence by older ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from kharness.engine.api import Engine
from kharness.errors import LaunchError
from kharness.plan.facts import HealthFacts
from kharness.plan.launch.runspec import API, Attachment
from tests.engine.bench import Bench
from tests.engine.podman import expect_difference

pytestmark = pytest.mark.engine

MACS = ("02:42:c0:ff:ee:01", "02:42:c0:ff:ee:02")
HEALTH = HealthFacts(test=("CMD", "true"), interval=30.0, start_period=20.0, start_interval=0.5)


@pytest.fixture
def real(request: pytest.FixtureRequest, engine: Engine, busybox: str, prefix: str) -> Iterator[Bench]:
    expect_difference(request, engine)
    with ExitStack() as undo:
        yield Bench(engine, busybox, prefix, undo)


def macs(bench: Bench, container: str) -> dict[str, str]:
    networks = bench.facts(container).raw["NetworkSettings"]["Networks"]
    return {name: found["MacAddress"] for name, found in networks.items()}


def again(bench: Bench, container: str) -> str:
    """Make a container again from what its engine says about it."""
    name, request = bench.facts(container).name, bench.engine.request_of(container)
    bench.engine.remove(container, force=True)
    made = bench.engine.create_again(name, request)
    bench.undo.callback(bench.engine.remove, made, force=True)
    bench.engine.start(made)
    return made


def test_a_health_check_is_executed_at_its_start_interval_where_the_engine_knows_it(real: Bench) -> None:
    container = real.run(replace(real.spec(), health=HEALTH))
    expected = 500_000_000 if real.engine.facts().serves(API) else None
    for each in (container, again(real, container)):
        if found := real.engine.container(each):
            assert found.raw["Config"]["Healthcheck"].get("StartInterval") == expected
            assert found.raw["Config"]["Healthcheck"]["Interval"] == 30_000_000_000


def test_every_engine_gives_a_mac_address_on_the_first_network(real: Bench) -> None:
    network = real.network()
    joined = Attachment(network=network, ipv4_address=real.address(5), mac_address=MACS[0])
    container = real.run(replace(real.spec(), networks=(joined,)))
    assert macs(real, container) == {network: MACS[0]}
    assert real.engine.exec(container, ["cat", "/sys/class/net/eth0/address"]).stdout.strip() == MACS[0]
    made = again(real, container)
    assert macs(real, made) == {network: MACS[0]}
    assert real.facts(made).addresses == {network: real.address(5)}


def test_a_mac_address_on_a_further_network_is_given_or_refused_in_one_sentence(real: Bench) -> None:
    one, two = real.network("one"), real.network("two", 1)
    joined = (Attachment(network=one), Attachment(network=two, mac_address=MACS[1]))
    spec = replace(real.spec(), networks=joined)
    if not real.engine.facts().serves(API):
        with pytest.raises(LaunchError) as refused:
            real.create(spec)
        assert str(refused.value) == (
            f"container {spec.name}: networks.{two}.mac_address needs Docker Engine 25.0 or newer: this engine gives a "
            "MAC address on the first network alone"
        )
        assert real.engine.container(spec.name) is None
        return
    container = real.run(spec)
    assert macs(real, container)[two] == MACS[1]
    assert macs(real, again(real, container))[two] == MACS[1]

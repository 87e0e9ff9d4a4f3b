"""What tests are told of a container: the ways to its ports."""

from __future__ import annotations

import pytest

from kharness.ops.session.instance import instance_facts
from kharness.plan.facts import ContainerFacts, PortRef, PublishedPort
from kharness.plan.session.modes import Mode
from tests.plan.made import production_plan, subject


@pytest.mark.parametrize(
    ("host_ip", "published"),
    [("", {"53/udp": 1053}), ("0.0.0.0", {"53/udp": 1053}), ("127.0.0.1", {"53/udp": 1053}), ("192.0.2.53", {})],
)
def test_a_port_of_another_address_than_the_loopback_is_reached_at_the_containers_own(
    host_ip: str, published: dict[str, int]
) -> None:
    given = subject({"ports": [f"{host_ip}:1053:53/udp" if host_ip else "1053:53/udp"]})
    port = PublishedPort(port=PortRef(53, "udp"), host_ip=host_ip, host_port=1053)
    found = ContainerFacts(id="x", name="web", image_id="y", addresses={"lan": "10.0.0.5"}, published=(port,))
    facts = instance_facts(given, production_plan(given), found, mode=Mode.IN_PROD)
    assert (facts.address, facts.published) == ("10.0.0.5", published)

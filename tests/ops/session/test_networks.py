"""Networks of test instances: small, closed, and open only as far as somebody said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import ConflictError, EngineError, UsageError
from kharness.ops.session.networks import named_destinations
from kharness.plan.facts import ImageFacts
from kharness.plan.session.networks import candidate_subnets
from tests.ops.conftest import FakeFirewall
from tests.ops.sessions import NAME, opened, rest, web
from tests.ops.world import REMOTE, World


def test_a_subnet_that_overlaps_is_passed_over(world: World, image: ImageFacts) -> None:
    probe = opened(world)
    probe.launch(web(world, image))
    first = world.engine.nets["kharness-s1"].subnets
    probe.close()
    world.engine.nets["bridge"] = replace(world.engine.nets["bridge"], subnets=first)
    session = opened(world)
    session.launch(web(world, image))
    assert world.engine.nets["kharness-s1"].subnets != first
    session.close()


def test_a_pool_that_is_taken_whole_is_told_with_the_setting_that_helps(world: World, image: ImageFacts) -> None:
    world.engine.nets["bridge"] = replace(world.engine.nets["bridge"], subnets=("10.0.0.0/8",))
    with pytest.raises(EngineError, match="set 'test_subnets' in the host's configuration") as caught:
        opened(world).launch(web(world, image))
    tries = len(list(candidate_subnets("10.213.0.0/16", seed=0)))
    assert f"{tries} of 10.213.0.0/16" in str(caught.value)


def test_a_network_of_the_same_name_is_no_reason_to_try_other_subnets(world: World, image: ImageFacts) -> None:
    world.engine.nets["kharness-s1"] = replace(world.engine.nets["bridge"], name="kharness-s1")
    with pytest.raises(ConflictError, match="a network of that name exists"):
        opened(world).launch(web(world, image))


def test_whoever_may_go_out_is_alone_on_a_network(world: World, image: ImageFacts, firewall: FakeFirewall) -> None:
    session = opened(world)
    session.launch(web(world, image, "test: {egress: true}"))
    session.launch(web(world, image, "{}"), suffix="-2")
    networks = {net.name: net.internal for net in world.engine.nets.values() if net.labels}
    assert networks == {f"{NAME}-net": False, "kharness-s1": True}
    assert set(firewall.guarded.values()) == {f"kharness:{NAME}-net", "kharness:kharness-s1"}
    assert firewall.allowed == {}
    session.close()
    assert rest(world) == []


def test_a_list_of_destinations_is_all_that_is_reached(world: World, image: ImageFacts, firewall: FakeFirewall) -> None:
    opened(world).launch(web(world, image, "test: {egress: [192.0.2.1:25]}"))
    assert list(firewall.allowed.values()) == [("192.0.2.1:25",)]


def test_a_list_that_cannot_be_enforced_opens_nothing(world: World, image: ImageFacts, firewall: FakeFirewall) -> None:
    firewall.reason = "iptables is missing"
    with pytest.raises(EngineError, match=r"test\.egress: .* cannot be enforced: iptables is missing"):
        opened(world).launch(web(world, image, "test: {egress: [192.0.2.1:25]}"))
    assert rest(world) == []


def test_a_list_on_an_engine_elsewhere_opens_nothing(tmp_path: Path) -> None:
    world = World.create(tmp_path, facts=REMOTE)
    with pytest.raises(EngineError, match=r"test\.egress: .* cannot be enforced: the engine is not on this host"):
        opened(world).launch(web(world, world.engine.put_image("web:1"), "test: {egress: [192.0.2.1:25]}"))
    assert rest(world) == []


def test_a_guard_that_cannot_be_set_is_said_by_the_session(
    world: World, image: ImageFacts, firewall: FakeFirewall
) -> None:
    firewall.reason = "iptables is missing"
    session = opened(world)
    session.launch(web(world, image))
    assert session.doubts == {"test instances may reach this host's own services: iptables is missing"}


def test_an_engine_elsewhere_is_reached_by_ports_of_this_host_where_a_way_out_is_allowed(tmp_path: Path) -> None:
    world = World.create(tmp_path, facts=REMOTE)
    image = world.engine.put_image("web:1")
    with pytest.raises(UsageError, match=r"say 'test: \{egress: true\}'"):
        opened(world).launch(web(world, image, "expose: [80]"))
    facts = opened(world).launch(web(world, image, "expose: [80]\ntest: {egress: true}"), suffix="-2")
    assert list(facts.published) == ["80/tcp"]
    with pytest.raises(UsageError, match="test volumes are directories of this host"):
        opened(world).launch(web(world, image, "volumes: [./data:/data]\ntest: {egress: true}"), suffix="-3")


def test_a_named_destination_has_the_address_that_the_rule_lets_through() -> None:
    assert named_destinations(("localhost:25", "10.1.2.3", "localhost")) == (("localhost", "127.0.0.1"),)

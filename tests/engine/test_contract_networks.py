"""The same claims about the engine and about the fake that stands for it in other tests."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from kharness.engine.api import NetworkRequest
from kharness.errors import (
    ConflictError,
    LaunchError,
)
from kharness.plan.facts import PortRef, PublishedPort
from kharness.plan.launch.runspec import Attachment, Mount, MountKind, Publish
from tests.engine.bench import Bench


def test_a_network_that_is_not_there_is_none(bench: Bench) -> None:
    assert bench.engine.network(f"{bench.prefix}-never") is None
    bench.engine.remove_network(f"{bench.prefix}-never")


def test_every_engine_has_the_special_networks(bench: Bench) -> None:
    assert {net.name: net.driver for net in bench.engine.networks()}.items() >= {
        ("bridge", "bridge"),
        ("host", "host"),
        ("none", "null"),
    }


def test_a_networks_name_and_subnet_are_given_once(bench: Bench) -> None:
    name = bench.network()
    found = bench.engine.network(name)
    assert found is not None
    assert (found.name, found.internal, found.subnets, found.bridge) == (
        name,
        True,
        (bench.subnet(),),
        f"br-{found.id[:12]}",
    )
    for again in (NetworkRequest(name=name), NetworkRequest(name=f"{name}-2", subnet=bench.subnet())):
        with pytest.raises(ConflictError, match=f"network {again.name}: "):
            bench.engine.create_network(again)


def test_a_network_with_containers_stays(bench: Bench) -> None:
    name = bench.network()
    container = bench.run(replace(bench.spec(), networks=(Attachment(network=name),)))
    found = bench.engine.network(name)
    assert found is not None
    assert found.containers == (container,)
    with pytest.raises(ConflictError, match="containers are on it"):
        bench.engine.remove_network(name)


def test_a_fixed_address_is_given_to_one_running_container(bench: Bench) -> None:
    name = bench.network()
    at = Attachment(network=name, ipv4_address=bench.address(5))
    first = bench.create(replace(bench.spec("a"), networks=(at,)))
    second = bench.create(replace(bench.spec("b"), networks=(at,)))
    bench.engine.start(first)
    assert bench.facts(first).addresses == {name: bench.address(5)}
    with pytest.raises(ConflictError, match=r"address .*in use"):
        bench.engine.start(second)
    bench.engine.remove(first, force=True)
    bench.engine.start(second)
    assert bench.facts(second).addresses == {name: bench.address(5)}


def test_an_address_is_one_of_its_network(bench: Bench) -> None:
    at = Attachment(network=bench.network(), ipv4_address="10.9.9.9")
    with pytest.raises(LaunchError, match=r"10\.9\.9\.9"):
        bench.run(replace(bench.spec(), networks=(at,)))


def test_a_container_starts_only_on_networks_that_exist(bench: Bench) -> None:
    with pytest.raises(LaunchError, match="network never not found"):
        bench.run(replace(bench.spec(), networks=(Attachment(network="never"),)))


def test_a_container_is_on_all_its_networks_and_no_others(bench: Bench) -> None:
    one, two = bench.network("one"), bench.network("two", 1)
    container = bench.run(replace(bench.spec(), networks=(Attachment(network=one), Attachment(network=two))))
    assert bench.facts(container).addresses == {one: bench.address(2), two: bench.address(2, 1)}
    bench.engine.disconnect(one, container)
    bench.engine.disconnect(one, container)
    assert bench.facts(container).addresses == {two: bench.address(2, 1)}
    bench.engine.connect(Attachment(network=one, ipv4_address=bench.address(9)), container)
    assert bench.facts(container).addresses == {one: bench.address(9), two: bench.address(2, 1)}


def test_a_container_without_networks_has_no_address(bench: Bench) -> None:
    assert bench.facts(bench.run(bench.spec())).addresses == {}


def test_a_published_port_is_given_once(bench: Bench) -> None:
    number = free_port()
    port = Publish(port=PortRef(80), host_ip="127.0.0.1", host_port=number)
    public = replace(bench.spec(), networks=(Attachment(network="bridge"),), publish=(port,))
    first = bench.run(public)
    facts = bench.engine.container(first)
    assert facts is not None
    assert facts.published == (PublishedPort(port=PortRef(80), host_ip="127.0.0.1", host_port=number),)
    with pytest.raises(ConflictError, match=rf"port .*{number} is in use"):
        bench.run(replace(public, name=f"{bench.prefix}-b"))
    bench.engine.remove(first, force=True)


def test_a_volumes_name_is_given_once_and_it_stays_while_it_is_mounted(bench: Bench) -> None:
    name = f"{bench.prefix}-volume"
    assert bench.engine.volume(name) is None
    made = bench.engine.create_volume(name, labels={"kharness-test": bench.prefix})
    bench.undo.callback(bench.engine.remove_volume, name)
    assert bench.engine.volume(name) == made
    assert bench.engine.volumes(labels={"kharness-test": bench.prefix}) == (made,)
    with pytest.raises(ConflictError, match="there is a volume"):
        bench.engine.create_volume(name)
    mount = Mount(kind=MountKind.VOLUME, source=name, target="/data")
    container = bench.create(replace(bench.spec(), mounts=(mount,)))
    with pytest.raises(ConflictError, match="volume"):
        bench.engine.remove_volume(name)
    bench.engine.remove(container)
    bench.engine.remove_volume(name)
    bench.engine.remove_volume(name)
    assert bench.engine.volume(name) is None


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        number: int = sock.getsockname()[1]
        return number

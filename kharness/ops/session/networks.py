"""Test networks: small, our own, without a way out unless it was asked for, and blind to the host."""

from __future__ import annotations

import zlib

from kharness.engine.api import NetworkRequest
from kharness.errors import ConflictError, EngineError
from kharness.host.session.firewall import allow_egress, guard_bridge, resolve, unguard
from kharness.ops.harness import Harness
from kharness.plan.facts import NetworkFacts
from kharness.plan.session.networks import candidate_subnets

BRIDGE_OPTION = "com.docker.network.bridge.name"
IPV4 = 4
BRIDGE_PREFIX = "kht-"
UNENFORCED = "test.egress: the list of destinations cannot be enforced"


def create_test_network(
    harness: Harness, name: str, *, labels: dict[str, str], egress: bool | tuple[str, ...] = False
) -> tuple[NetworkFacts, tuple[str, ...]]:
    """Create a network for test instances; also returns what could not be guarded, for the session to say.

    `egress` True opens a way out, a list of destinations only to these. The host's own addresses are never reachable.
    Raises `EngineError` where there is no free subnet, or where a list cannot be enforced: it would be an open door.
    """
    local = harness.engine.facts().local
    if isinstance(egress, tuple) and not local:
        raise EngineError(f"{name}: {UNENFORCED}: the engine is not on this host")
    bridge = BRIDGE_PREFIX + format(zlib.crc32(name.encode()), "08x")
    network = _create(harness, name, bridge=bridge, labels=labels, internal=egress is False)
    comment = f"kharness:{name}"
    doubts = []
    if not local:
        doubts.append("the engine is not on this host, so test instances may reach the engine host's own services")
    else:
        if reason := guard_bridge(bridge, comment=comment):
            doubts.append(f"test instances may reach this host's own services: {reason}")
        if isinstance(egress, tuple) and (reason := allow_egress(bridge, egress, comment=comment)):
            remove_test_network(harness, network)
            raise EngineError(f"{name}: {UNENFORCED}: {reason}")
    return network, tuple(doubts)


def named_destinations(destinations: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the names in a list of destinations, each with an IPv4 address.

    A container that may reach only these has no server to ask, and must mean the same addresses as the rule.
    """
    found = [each for text in destinations for each in resolve(text) if each.name and each.version == IPV4]
    return tuple(dict.fromkeys((each.name or "", each.network.partition("/")[0]) for each in found))


def remove_test_network(harness: Harness, network: NetworkFacts) -> None:
    """Remove a network and the rules of its bridge."""
    harness.engine.remove_network(network.id)
    if harness.engine.facts().local and network.bridge:
        unguard(network.bridge)


def _create(harness: Harness, name: str, *, bridge: str, labels: dict[str, str], internal: bool) -> NetworkFacts:
    tried = 0
    seed = zlib.crc32(name.encode())
    for subnet in candidate_subnets(harness.host.test_subnets, seed=seed):
        try:
            return harness.engine.create_network(
                NetworkRequest(
                    name=name, internal=internal, subnet=subnet, labels=labels, options={BRIDGE_OPTION: bridge}
                )
            )
        except ConflictError:
            tried += 1
            if harness.engine.network(name) is not None:
                raise
    raise EngineError(
        f"no free subnet for a test network: {tried} of {harness.host.test_subnets} were tried and all overlap; "
        "set 'test_subnets' in the host's configuration to a free range"
    )

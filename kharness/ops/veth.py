"""The interfaces of this host that lead to a container."""

from __future__ import annotations

from kharness.errors import EngineError, HostError
from kharness.host.veth import host_interfaces
from kharness.ops.view import View
from kharness.plan.facts import ContainerFacts


def veths(view: View, container: ContainerFacts) -> tuple[str, ...]:
    """Return them in the order of the container's own, at least one; raises `EngineError`, `HostError`.

    Only an engine whose networks are this host's has some here.
    """
    name = container.name
    if not view.engine.facts().local:
        raise EngineError(f"{name}: the engine's networks are not on this host")
    if not container.addresses:
        raise EngineError(f"{name}: has no interface of its own; it may be on the host's network, or on none")
    try:
        found = tuple(host_interfaces(container.pid).values())
    except HostError as error:
        raise HostError(f"{name}: {error}") from error
    if not found:
        # A macvlan's or ipvlan's is not one end of a pair.
        raise HostError(f"{name}: none of its interfaces has another end on this host")
    return found

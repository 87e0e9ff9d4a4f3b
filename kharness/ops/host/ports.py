"""Ports of the host that a launch needs, and interfaces of the host that lead to a container."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.errors import ConflictError, EngineError, HostError
from kharness.host.machine.kernel import holder, host_interfaces, is_free
from kharness.ops.harness import Harness
from kharness.ops.project.view import View
from kharness.plan.facts import ContainerFacts
from kharness.plan.host import address_text, clash, fixed, taken_by_containers
from kharness.plan.launch.plan import LaunchPlan

ANYWHERE = "0.0.0.0"  # noqa: S104 - the engine's default


def refuse_taken_ports(harness: Harness, plan: LaunchPlan, old: ContainerFacts | None) -> None:
    """Raise `ConflictError` with every port that the new container needs and another container, or a process, has.

    The `old` container gives up its own.
    """
    if reasons := tuple(_taken(harness, plan, old)):
        advice = "stop it, or choose another port in 'ports'"
        raise ConflictError(f"{plan.spec.name}: {'; '.join(reasons)}; {advice}")


def _taken(harness: Harness, plan: LaunchPlan, old: ContainerFacts | None) -> Iterator[str]:
    publish = fixed(plan.spec.publish)
    if not publish or any(each.network == "host" for each in plan.spec.networks):
        return
    containers = harness.engine.containers()
    found = dict(taken_by_containers(publish, containers, but=[old.id] if old else ()))
    own = old.published if old is not None and old.up else ()
    local = harness.engine.facts().local
    for wanted in publish:
        if wanted in found:
            yield f"the host's port {address_text(wanted)} is published by the container {found[wanted]}"
        elif local and isinstance(wanted.host_port, int) and not any(clash(wanted, has) for has in own):
            protocol, number = wanted.port.protocol, wanted.host_port
            if not is_free(wanted.host_ip or ANYWHERE, number, protocol):
                by = holder(number, protocol)
                yield f"the host's port {address_text(wanted)} is in use{f' by {by}' if by else ''}"


def veths(view: View, container: ContainerFacts) -> tuple[str, ...]:
    """Return the host's interfaces that lead to a container, at least one, in the order of the container's own.

    Raises `EngineError`, also where the engine's networks are not this host's, and `HostError`.
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

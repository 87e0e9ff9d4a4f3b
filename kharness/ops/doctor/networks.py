"""Whether the networks that containers are to be on are as they are declared, and in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from kharness.errors import HostError
from kharness.host.kernel import routes
from kharness.ops.finding import Finding
from kharness.ops.harness import Harness
from kharness.ops.networks import BRIDGE_PREFIX
from kharness.plan.facts import NetworkFacts
from kharness.plan.routes import Route, overlapping
from kharness.settings.host import NetworkDecl

WHAT = "network"


def network_findings(harness: Harness) -> Iterator[Finding]:
    """Say which declared networks there are; nothing is created."""
    known = _routes(harness)
    for name, declared in sorted(harness.host.networks.items()):
        yield _declared(name, declared, harness.engine.network(name), known)
    pool = harness.host.test_subnets
    taken = tuple(overlapping(pool, known, own=(BRIDGE_PREFIX,)))
    said = f"{pool} is where those of tests are taken from"
    if any(IPv4Network(pool).subnet_of(route.network) for route in taken):
        mend = "set 'test_subnets' in the host's configuration to a range that is nobody's, such as 10.214.0.0/16"
        yield Finding("test networks", f"{said}, and {_shown(taken)}", good=False, mend=mend)
    elif taken:
        yield Finding("test networks", f"{said}, what is taken of it aside: {_shown(taken)}")
    else:
        yield Finding("test networks", said)


def _declared(name: str, declared: NetworkDecl, found: NetworkFacts | None, known: tuple[Route, ...]) -> Finding:
    if found is not None:
        wrong = [
            f"its {what} should be {should}, is {now or 'none'}"
            for what, should, now in (
                ("driver", declared.driver, found.driver),
                ("subnet", declared.subnet, ", ".join(found.subnets)),
            )
            if should and should not in now.split(", ")
        ]
        mend = f"docker network rm {name}; the next launch creates it"
        return Finding(WHAT, "; ".join((f"{name} is there", *wrong)), good=not wrong, mend=mend if wrong else "")
    taken = tuple(overlapping(declared.subnet, known)) if declared.subnet else ()
    if taken:
        mend = f"set 'subnet' of networks.{name} in the host's configuration to one that is free"
        return Finding(WHAT, f"{name} cannot be created: {declared.subnet}: {_shown(taken)}", good=False, mend=mend)
    return Finding(WHAT, f"{name} is created by the first launch that needs it")


def _routes(harness: Harness) -> tuple[Route, ...]:
    if not harness.engine.facts().local:
        return ()
    try:
        return routes()
    except HostError:
        return ()


def _shown(taken: tuple[Route, ...]) -> str:
    return ", ".join(f"{route.network} leads to {route.interface}" for route in taken)

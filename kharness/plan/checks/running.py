"""Checks of what runs in a container: processes, and the ports that they listen on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kharness.plan.checks.check import CIS, check
from kharness.plan.facts import PortRef, ProcessFacts
from kharness.plan.host import program
from kharness.settings.policy import Policy

INITS = frozenset({"docker-init", "podman-init", "tini", "catatonit", "dumb-init"})
"""Programs that only start another: the engine's own (`init: true`), and those of images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The names of a container's programs, and its listening ports; its entry point starts `started`.

    `exposed` are the ports that image and settings name. Ports on the container's loopback do not count.
    """

    programs: frozenset[str]
    started: str
    listening: frozenset[PortRef]
    exposed: frozenset[PortRef]


def programs(processes: Iterable[ProcessFacts], *, first: int) -> frozenset[str]:
    """Return the names of the programs of process `first` and its descendants, without inits.

    Health checks and `exec` are not its descendants.
    """
    listed = tuple(processes)
    family = {first}
    grown = True
    while grown:
        more = {each.pid for each in listed if each.ppid in family} - family
        family |= more
        grown = bool(more)
    return frozenset(name for each in listed if each.pid in family and (name := program(each.command)) not in INITS)


@check(
    "KH308",
    "listens on exactly the ports that it exposes",
    Running,
    reason=(
        "A second listener beside the service, such as a debugger or an admin page, is reachable for every container "
        "on its networks."
    ),
    mend="EXPOSE in the Dockerfile or expose: in settings.yaml, or switch the listener off",
    source=CIS + "5.8",
)
def listening_ports(running: Running, _policy: Policy) -> Iterator[str]:
    for port in sorted(running.listening - running.exposed, key=str):
        yield f"a program listens on {port}, and neither image nor settings expose it"
    for port in sorted(running.exposed - running.listening, key=str):
        yield f"{port} is exposed, and nothing listens on it"


@check(
    "KH310",
    "runs only the declared programs",
    Running,
    reason="A container has one purpose; a program that was not there yesterday is a miner, a shell, or a fault.",
    mend="policy: {processes: [...]} with the names of the programs",
    source="one service per container: docs.docker.com, Run multiple processes in a container",
)
def declared_programs(running: Running, policy: Policy) -> Iterator[str]:
    if not policy.processes:
        # An entry point is often a script that becomes the service, under its own name.
        if len(running.programs) > 1:
            others = ", ".join(sorted(running.programs - {running.started}))
            yield f"beside {running.started}, which its entry point starts, it runs {others}"
        elif not running.programs:
            yield "no program runs"
        return
    declared = set(policy.processes)
    yield from (f"{name} runs, and policy.processes does not name it" for name in sorted(running.programs - declared))
    yield from (f"{name} does not run" for name in sorted(declared - running.programs))

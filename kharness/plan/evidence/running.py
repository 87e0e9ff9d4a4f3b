"""What runs in a container: processes and the ports that they listen on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kharness.plan.facts import PortRef, ProcessFacts
from kharness.plan.processes import program

INITS = frozenset({"docker-init", "podman-init", "tini", "catatonit", "dumb-init"})
"""Programs that only start another one: the engine's own (`init: true`), and those that images bring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The programs of a container, by name, and what is listened on; `started` is what its entry point starts.

    `exposed` are the ports that image and settings name. Ports that only the container itself reaches do not count.
    """

    programs: frozenset[str]
    started: str
    listening: frozenset[PortRef]
    exposed: frozenset[PortRef]


def programs(processes: Iterable[ProcessFacts], *, first: int) -> frozenset[str]:
    """Return the names of what `first`, a process id, and what it started, run; inits aside.

    A health check and what somebody runs with `exec` are no children of it.
    """
    listed = tuple(processes)
    family = {first}
    grown = True
    while grown:
        more = {each.pid for each in listed if each.ppid in family} - family
        family |= more
        grown = bool(more)
    return frozenset(name for each in listed if each.pid in family and (name := program(each.command)) not in INITS)

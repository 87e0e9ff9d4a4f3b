"""Rules in the filter table by way of iptables(8) and ip6tables(8): list ours, set a bridge's in one transaction."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kharness.errors import HostError

PREFIX = "kharness:"
"""How the comments of our rules begin."""

_TIMEOUT = 20.0
_TRIES = 4


@dataclass(frozen=True, slots=True)
class IpFamily:
    """IPv4 or IPv6, and the program for it."""

    version: Literal[4, 6]
    program: str


IPV4 = IpFamily(4, "iptables")
IPV6 = IpFamily(6, "ip6tables")


@dataclass(frozen=True, slots=True)
class FilterRule:
    """A rule: its chain, and its arguments in the order in which `iptables -S` prints them."""

    chain: str
    arguments: tuple[str, ...]

    @property
    def bridge(self) -> str | None:
        """The interface that it is about."""
        return self._after("-i")

    @property
    def ours(self) -> bool:
        """Whether its comment says that kharness made it."""
        return (self._after("--comment") or "").startswith(PREFIX)

    def _after(self, option: str) -> str | None:
        pairs = zip(self.arguments, self.arguments[1:], strict=False)
        return next((value for name, value in pairs if name == option), None)


@dataclass(frozen=True, slots=True)
class Table:
    """What is in the filter table: the names of its chains, and our rules in their order."""

    chains: frozenset[str]
    rules: tuple[FilterRule, ...]


def read(family: IpFamily) -> Table:
    """List the filter table. Raises `HostError` where that is not possible here."""
    chains: set[str] = set()
    rules: list[FilterRule] = []
    for line in _run(family.program, "-w", "-S").splitlines():
        kind, chain, *arguments = shlex.split(line) if PREFIX in line else line.split()
        if kind in {"-P", "-N"}:
            chains.add(chain)
        elif (rule := FilterRule(chain, tuple(arguments))).ours:
            rules.append(rule)
    return Table(frozenset(chains), tuple(rules))


def replace(family: IpFamily, bridge: str, wanted: Sequence[FilterRule], *, chains: Sequence[str]) -> None:
    """Replace our rules of a bridge in these chains with `wanted`, at the chains' beginnings; no other rule is touched.

    All of it happens at once or not at all, and nothing is done when it is so already. Raises `HostError`.
    """
    for last in (*[False] * (_TRIES - 1), True):
        table = read(family)
        if missing := {rule.chain for rule in wanted} - table.chains:
            raise HostError(f"{family.program} has no chain {', '.join(sorted(missing))}")
        found = [rule for rule in table.rules if rule.bridge == bridge and rule.chain in chains]
        if found == list(wanted):
            return
        try:
            _run(f"{family.program}-restore", "-w", "--noflush", given=_script(found, wanted))
        except HostError:
            # A rule that was to be deleted went meanwhile, or another program wrote at the same moment.
            if last:
                raise
        else:
            return


def _script(old: Sequence[FilterRule], new: Sequence[FilterRule]) -> str:
    lines = [f"-D {rule.chain} {shlex.join(rule.arguments)}" for rule in old]
    places: dict[str, int] = {}
    for rule in new:
        places[rule.chain] = places.get(rule.chain, 0) + 1
        lines.append(f"-I {rule.chain} {places[rule.chain]} {shlex.join(rule.arguments)}")
    return "\n".join(["*filter", *lines, "COMMIT", ""])


def _run(program: str, *arguments: str, given: str = "") -> str:
    # An ordinary user's PATH, and cron's, may lack the directories of administration.
    path = shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))
    if path is None:
        raise HostError(f"{program} is not installed")
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the arguments are made here
            [path, *arguments], input=given, capture_output=True, text=True, check=False, timeout=_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{program} cannot be used: {error}") from error
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise HostError(f"{program}: {said}")
    return done.stdout

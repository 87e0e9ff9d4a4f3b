"""Firewall rules of test networks, set by iptables(8): neither this host nor what was not allowed is reached.

A destination is written `10.1.2.3`, `10.0.0.0/8:443`, `[2001:db8::1]:25` or `mail.example.org:25`.

An `internal` network alone does not keep a container from its gateway's address, where every host-networked service
answers. The rules are in the INPUT chain and in DOCKER-USER, the engine's place for others' rules on what is forwarded.
Every rule carries a comment that begins with `kharness:`; rules without it are never touched.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
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


_FORM = re.compile(r"(?:\[(?P<inner>[^\]]+)\]|(?P<plain>[^\[\]:]+))(?::(?P<port>\d+))?")
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """An address or network in CIDR form, a port or None for all, and the name that it was resolved from."""

    network: str
    version: Literal[4, 6]
    port: int | None = None
    name: str | None = None


def resolve(text: str) -> tuple[Destination, ...]:
    """Resolve a destination now; a name gives all its addresses. Raises `HostError`."""
    where, port = _split(text)
    try:
        return (_destination(where, port=port, name=None),)
    except ValueError:
        pass
    if not _NAME.fullmatch(where):
        raise HostError(_should_be(text))
    try:
        found = socket.getaddrinfo(where, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostError(f"{where}: cannot be resolved: {error}") from error
    addresses = dict.fromkeys(str(address[4][0]).partition("%")[0] for address in found)
    return tuple(_destination(address, port=port, name=where) for address in addresses)


def _split(text: str) -> tuple[str, int | None]:
    # A bare IPv6 address has colons of its own.
    if text.count(":") > 1 and not text.startswith("["):
        return text, None
    form = _FORM.fullmatch(text)
    if form is None:
        raise HostError(_should_be(text))
    port = int(form["port"]) if form["port"] else None
    if port is not None and not 0 < port <= _LAST_PORT:
        raise HostError(_should_be(text))
    return form["inner"] or form["plain"], port


def _destination(where: str, *, port: int | None, name: str | None) -> Destination:
    network = ip_interface(where).network
    return Destination(network=str(network), version=network.version, port=port, name=name)


def _should_be(text: str) -> str:
    return f"{text!r}: should be an address, a network or a name, with a port or without, as in 10.0.0.0/8:443"


_INPUT, _FORWARDED = "INPUT", "DOCKER-USER"
_COMMENT_LENGTH = 200


def guard_bridge(bridge: str, *, comment: str) -> str | None:
    """Drop new connections from a bridge to the host's own addresses; a second call changes nothing.

    Returns None when the rule is set, else the reason why it could not be. IPv6 is guarded too where it can be.
    """
    rule = _rule(_INPUT, bridge, "DROP", comment, "-m conntrack --ctstate NEW")
    return _set(bridge, {IPV4: (rule,), IPV6: (rule,)}, chain=_INPUT)


def allow_egress(bridge: str, destinations: Sequence[str], *, comment: str) -> str | None:
    """Forward packets from a bridge to these destinations only: `10.1.2.3`, `10.0.0.0/8:443`, `a.example:25`.

    A port means TCP and UDP. Names are resolved once, now (`resolve`); name servers are destinations like
    others. Containers on the bridge still meet, answers to connections from elsewhere pass, and what the engine forbids
    stays forbidden. Replaces an earlier list. Returns None when the rules are set, else the reason why they are not.
    """
    try:
        allowed = [found for text in destinations for found in resolve(text)]
    except HostError as error:
        return str(error)
    return _set(
        bridge, {family: _egress(bridge, allowed, comment, family) for family in (IPV4, IPV6)}, chain=_FORWARDED
    )


def unguard(bridge: str) -> None:
    """Remove all our rules of a bridge; where there is none, or no firewall, nothing happens."""
    for family in (IPV4, IPV6):
        with suppress(HostError):
            replace(family, bridge, (), chains=(_INPUT, _FORWARDED))


def guarded_bridges() -> tuple[str, ...]:
    """Return the bridges that our rules are about, whether or not they still exist."""
    found: set[str] = set()
    for family in (IPV4, IPV6):
        with suppress(HostError):
            found |= {rule.bridge for rule in read(family).rules if rule.bridge}
    return tuple(sorted(found))


def bridge_exists(bridge: str) -> bool:
    """Whether this host has an interface of that name."""
    return Path("/sys/class/net", bridge).exists()


def _set(bridge: str, wanted: dict[IpFamily, tuple[FilterRule, ...]], *, chain: str) -> str | None:
    # A plus sign at the end would mean every interface whose name begins so.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", bridge):
        return f"{bridge!r} is not the name of a bridge"
    if not bridge_exists(bridge):
        return f"the bridge {bridge} is not on this host"
    try:
        replace(IPV4, bridge, wanted[IPV4], chains=(chain,))
    except HostError as error:
        return str(error)
    # Test networks have no IPv6 addresses: these rules are for the day when one has, and not every host can set them.
    with suppress(HostError):
        replace(IPV6, bridge, wanted[IPV6], chains=(chain,))
    return None


def _egress(bridge: str, allowed: Sequence[Destination], comment: str, family: IpFamily) -> tuple[FilterRule, ...]:
    # RETURN, not ACCEPT: the engine's own isolation of networks comes after these.
    return (
        _rule(_FORWARDED, bridge, "RETURN", comment, out=bridge),
        _rule(_FORWARDED, bridge, "RETURN", comment, "-m conntrack --ctstate RELATED,ESTABLISHED"),
        *(
            _rule(_FORWARDED, bridge, "RETURN", comment, match, to=destination.network)
            for destination in allowed
            if destination.version == family.version
            for match in _matches(destination.port)
        ),
        _rule(_FORWARDED, bridge, "DROP", comment),
    )


def _matches(port: int | None) -> tuple[str, ...]:
    return ("",) if port is None else tuple(f"-p {kind} -m {kind} --dport {port}" for kind in ("tcp", "udp"))


def _rule(
    chain: str,
    bridge: str,
    verdict: str,
    comment: str,
    match: str = "",
    *,
    to: str | None = None,
    out: str | None = None,
) -> FilterRule:
    text = PREFIX + re.sub(r"[^A-Za-z0-9_.:@/-]", "-", comment.removeprefix(PREFIX))[:_COMMENT_LENGTH]
    return FilterRule(
        chain,
        (
            # A whole family is printed, and so compared, without a destination.
            *(("-d", to) if to and not to.endswith("/0") else ()),
            *("-i", bridge),
            *(("-o", out) if out else ()),
            *match.split(),
            *("-m", "comment", "--comment", text),
            *("-j", verdict),
        ),
    )

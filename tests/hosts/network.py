"""A bridge with a way out, for hosts that are network namespaces on it."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.hosts.recipe import HostsUnavailableError
from tests.hosts.store import run

PREFIX = "khh"
"""What the bridge's name begins with; its owner's process id follows."""
POOL = ipaddress.ip_network("10.231.0.0/16")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass
class Network:
    """A bridge of this process; the machine is its gateway and masquerades what leaves it."""

    bridge: str
    subnet: ipaddress.IPv4Network
    _next: int = field(default=2)

    @property
    def gateway(self) -> str:
        """The machine's own address on the bridge."""
        return str(self.subnet[1])

    @contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """Give a network namespace of that name on the bridge; the value is its address.

        The namespace lives as long as its name or a process in it; its link goes with it.
        """
        address = str(self.subnet[self._next])
        self._next += 1
        link = f"{PREFIX}{secrets.token_hex(5)}"
        with ExitStack() as undo:
            run("ip", "netns", "add", name)
            undo.callback(run, "ip", "netns", "del", name)
            run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", link, "master", self.bridge, "up")
            inside = ("ip", "-n", name)
            run(*inside, "address", "add", f"{address}/{self.subnet.prefixlen}", "dev", "eth0")
            for device in ("lo", "eth0"):
                run(*inside, "link", "set", device, "up")
            run(*inside, "route", "add", "default", "via", self.gateway)
            yield address


@contextmanager
def network() -> Iterator[Network]:
    """Give a bridge; at the end nothing of it stays, and neither does what a killed owner left."""
    remove_orphans()
    made = Network(f"{PREFIX}{os.getpid()}-{secrets.token_hex(1)}", _free_subnet())
    forwarding = FORWARDING.read_text(encoding="ascii")
    with ExitStack() as undo:
        run("ip", "link", "add", made.bridge, "type", "bridge")
        undo.callback(run, "ip", "link", "del", made.bridge)
        run("ip", "address", "add", f"{made.gateway}/{made.subnet.prefixlen}", "dev", made.bridge)
        run("ip", "link", "set", made.bridge, "up")
        for table, chain, *rule in _rules(made.bridge, str(made.subnet)):
            run("iptables", "-w", "-t", table, "-I", chain, *rule)
            undo.callback(run, "iptables", "-w", "-t", table, "-D", chain, *rule)
        if forwarding.strip() == "0":
            FORWARDING.write_text("1", encoding="ascii")
            undo.callback(FORWARDING.write_text, forwarding, encoding="ascii")
        yield made


def remove_orphans() -> None:
    """Remove bridges and rules whose owner does not live any more."""
    for link in json.loads(run("ip", "-json", "link", "show", "type", "bridge") or "[]"):
        name = str(link["ifname"])
        owner = name.removeprefix(PREFIX).partition("-")[0]
        if not name.startswith(PREFIX) or not owner.isdigit() or Path(f"/proc/{owner}").exists():
            continue
        for table in ("nat", "filter"):
            for line in run("iptables", "-w", "-t", table, "-S").splitlines():
                # Another run may be removing the same.
                if f"--comment {name} " in f"{line} ":
                    with suppress(HostsUnavailableError):
                        run("iptables", "-w", "-t", table, "-D", *line.split()[1:])
        with suppress(HostsUnavailableError):
            run("ip", "link", "del", name)


def _rules(bridge: str, subnet: str) -> tuple[tuple[str, ...], ...]:
    comment = ("-m", "comment", "--comment", bridge)
    return (
        ("nat", "POSTROUTING", "-s", subnet, "!", "-d", subnet, *comment, "-j", "MASQUERADE"),
        ("filter", "FORWARD", "-i", bridge, *comment, "-j", "ACCEPT"),
        ("filter", "FORWARD", "-o", bridge, *comment, "-j", "ACCEPT"),
    )


def _free_subnet() -> ipaddress.IPv4Network:
    routes = json.loads(run("ip", "-json", "-4", "route") or "[]")
    used = [ipaddress.ip_network(each["dst"], strict=False) for each in routes if each["dst"] != "default"]
    free = [subnet for subnet in POOL.subnets(new_prefix=24) if not any(subnet.overlaps(one) for one in used)]
    if not free:
        raise HostsUnavailableError(f"every subnet of {POOL} is in use")
    chosen = secrets.choice(free)
    if not isinstance(chosen, ipaddress.IPv4Network):
        raise TypeError(chosen)
    return chosen

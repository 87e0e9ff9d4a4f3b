"""What a test instance must not meet: a host beyond this one, this one's own services, and other containers."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from kharness.engine.api import Engine
from kharness.plan.facts import PortRef
from kharness.plan.launch.runspec import Attachment, Publish, RunSpec

GREETING = "somebody-is-here"
SERVER = f"""\
import socket, sys
server = socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=64)
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    connection.sendall(b"{GREETING}\\n")
    connection.close()
"""


@dataclass(frozen=True)
class Target:
    """Somewhere that answers a connection with the greeting."""

    address: str
    port: int

    @property
    def answers_us(self) -> bool:
        """Whether this process hears the greeting there."""
        try:
            with socket.create_connection((self.address, self.port), timeout=3) as connection:
                return GREETING.encode() in connection.recv(100)
        except OSError:
            return False


@contextmanager
def outside() -> Iterator[tuple[Target, Target, str]]:
    """A host of its own at the end of a cable: a network namespace with two addresses and one server.

    Also gives this host's address at the near end.
    """
    name = f"kt{secrets.token_hex(3)}"
    # RFC 2544's range for measurements between networks; nobody routes it.
    net = f"198.{18 + secrets.randbelow(2)}.{secrets.randbelow(256)}"
    low = 8 * secrets.randbelow(32)
    with ExitStack() as undo:
        _ip("netns", "add", name)
        undo.callback(_ip, "netns", "del", name)
        _ip("link", "add", f"{name}h", "type", "veth", "peer", "name", f"{name}o", "netns", name)
        undo.callback(_ip, "link", "del", f"{name}h")
        _ip("address", "add", f"{net}.{low + 1}/29", "dev", f"{name}h")
        _ip("link", "set", f"{name}h", "up")
        for number in (2, 3):
            _ip("-n", name, "address", "add", f"{net}.{low + number}/29", "dev", f"{name}o")
        _ip("-n", name, "link", "set", f"{name}o", "up")
        port = undo.enter_context(server("ip", "netns", "exec", name))
        yield Target(f"{net}.{low + 2}", port), Target(f"{net}.{low + 3}", port), f"{net}.{low + 1}"


@contextmanager
def server(*prefix: str) -> Iterator[int]:
    """Listen on all addresses of the host, or of the namespace that the prefix enters; gives the port."""
    with subprocess.Popen([*prefix, sys.executable, "-c", SERVER, "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def host_addresses() -> tuple[str, ...]:
    """Return this host's IPv4 addresses on its way out and on the engine's own bridge; others come and go."""
    lasting = {route["dev"] for route in json.loads(_ip("-json", "-4", "route", "show", "default"))} | {"docker0"}
    return tuple(
        address["local"]
        for link in json.loads(_ip("-json", "-4", "address", "show"))
        if link["ifname"] in lasting
        for address in link["addr_info"]
    )


@contextmanager
def production(engine: Engine, image: str, name: str) -> Iterator[tuple[Target, Target]]:
    """A container as production runs it, with a published port; gives its own address and the published one."""
    spec = RunSpec(
        name=name,
        image=image,
        command=("nc", "-ll", "-p", "7000", "-e", "echo", GREETING),
        expose=(PortRef(7000),),
        networks=(Attachment(network="bridge"),),
        init=True,
    )
    container = engine.create(replace(spec, publish=(Publish(port=PortRef(7000)),)))
    try:
        engine.start(container)
        facts = engine.container(container)
        assert facts is not None
        port = next(found.host_port for found in facts.published if found.host_port)
        yield Target(facts.addresses["bridge"], 7000), Target(host_addresses()[0], port)
    finally:
        engine.remove(container, force=True)


def ordinary(engine: Engine, image: str, name: str, script: str) -> str:
    """Run a shell script in a container that nobody restrains, and return what it prints."""
    bridge = (Attachment(network="bridge"),)
    container = engine.create(RunSpec(name=name, image=image, command=("sleep", "60"), networks=bridge, init=True))
    try:
        engine.start(container)
        return engine.exec(container, ("sh", "-c", script), timeout=60).stdout
    finally:
        engine.remove(container, force=True)


def probe(targets: Mapping[str, Target], *, seconds: int) -> str:
    """Return a shell script that tries all targets at once and prints the names of those that greeted it."""
    # Nothing is said about why one does not answer: a dropped packet and an unreachable network are both right.
    tries = [
        f"(nc -w {seconds} {target.address} {target.port} </dev/null 2>/dev/null | grep -q {GREETING} && echo {name}) &"
        for name, target in targets.items()
    ]
    return "\n".join([*tries, "wait", ""])


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout

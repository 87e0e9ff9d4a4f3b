"""A name that nobody here has is a way out, too: whoever serves it hears who asks, and what."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kharness.engine.api import Engine, NetworkRequest
from kharness.engine.start import start_daemon
from tests.engine.daemons import PrivateDaemon, private_daemon, why_not
from tests.plan.made import PLACE, subject, trial_plan
from tests.rootfs import archive

pytestmark = pytest.mark.engine

RESOLVER = """\
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("up", flush=True)
while True:
    print(server.recvfrom(999)[0], flush=True)
"""


@dataclass(frozen=True)
class Place:
    """An engine on a host whose resolver listens on the loopback, and what that resolver was asked."""

    engine: Engine
    asked: Path

    def hears(self, container: str) -> bool:
        """Whether a name that a container looks up comes to the resolver's ears."""
        name = f"leak-{secrets.token_hex(4)}"
        looked = self.engine.exec(container, ("sh", "-c", f"timeout -s KILL 2 nslookup {name}.example"))
        assert not looked.ok
        time.sleep(0.2)
        return name in self.asked.read_text()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    if reason := why_not():
        pytest.skip(reason)
    with private_daemon() as daemon, resolver(daemon, tmp_path / "asked"):
        file = tmp_path / "resolv.conf"
        file.write_text("nameserver 127.0.0.1\n")
        mount = f'mount --bind {file} /etc/resolv.conf && exec "$@"'
        prefix = ("nsenter", f"--net=/run/netns/{daemon.namespace}", "unshare", "--mount", "sh", "-c", mount, "sh")
        start_daemon(daemon.paths, log=daemon.log, progress=daemon.lines.append, prefix=prefix)
        engine = daemon.connect()
        program = Path("/bin/busybox")
        engine.import_image([archive(program)], "box:1")
        yield Place(engine, tmp_path / "asked")
        for container in engine.containers():
            # Or the daemon waits for them when it ends.
            engine.remove(container.id, force=True)
        engine.close()


@contextmanager
def resolver(daemon: PrivateDaemon, asked: Path) -> Iterator[None]:
    subprocess.run(["ip", "-n", daemon.namespace, "link", "set", "lo", "up"], check=True)
    command = ["ip", "netns", "exec", daemon.namespace, sys.executable, "-c", RESOLVER]
    with asked.open("w") as file, subprocess.Popen(command, stdout=file) as process:
        try:
            while not asked.read_text():
                time.sleep(0.02)
            yield
        finally:
            process.kill()


def test_a_test_instance_asks_nobody_for_names(place: Place) -> None:
    image = place.engine.image("box:1")
    assert image is not None
    network = place.engine.create_network(NetworkRequest(name="closed", internal=True, subnet="10.77.0.0/24"))
    spec = trial_plan(
        subject({"command": ["sleep", "60"]}, built=False, of=image), place=replace(PLACE, network=network.name)
    ).spec
    tested, other = (place.engine.create(each) for each in (spec, replace(spec, name="plain", dns=())))
    for container in (tested, other):
        place.engine.start(container)
    if place.engine.facts().version < "23":
        # Without this, the claim below would hold of a resolver that hears nothing.
        assert place.hears(other)
    assert not place.hears(tested)
    # Names on the network itself are still found.
    assert place.engine.exec(tested, ("nslookup", "plain")).stdout.count("Address") > 1

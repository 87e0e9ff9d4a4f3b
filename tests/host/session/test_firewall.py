from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest

from kharness.engine.api import Engine, NetworkRequest
from kharness.errors import ConflictError
from kharness.host.session.firewall import allow_egress, guard_bridge, guarded_bridges, unguard
from kharness.host.session.owner import current_owner
from kharness.plan.facts import PortRef
from kharness.plan.launch.runspec import Attachment, RunSpec
from kharness.plan.session.networks import candidate_subnets


@dataclass
class Listener:
    """A server on the host that says hello; `heard` is what came over UDP on the same port."""

    address: str
    port: int = 0
    heard: list[bytes] = field(default_factory=list)


@dataclass
class Place:
    """A container that runs a web server on a network of its own."""

    engine: Engine
    bridge: str
    gateway: str
    container: str
    address: str

    def reads(self, address: str, port: int) -> str:
        """Connect from the container and return what is answered there; empty when nothing is."""
        return self.engine.exec(self.container, ["nc", "-w", "1", address, str(port)]).stdout

    def says(self, address: str, port: int) -> None:
        """Send datagrams from the container; busybox has only clients of certain protocols for that."""
        asked = f"tftp -g -r datagram -l /dev/null {address} {port} & sleep 0.5; kill $!"
        self.engine.exec(self.container, ["sh", "-c", asked])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def place(engine: Engine, busybox: str, own: str, stack: ExitStack) -> Callable[..., Place]:
    """Make places; internal networks unless said otherwise."""
    if not engine.facts().local or shutil.which("iptables") is None or shutil.which("ip") is None:
        pytest.skip("needs a local engine, iptables and ip")

    def make(*, internal: bool = True) -> Place:
        bridge = f"kht-{secrets.token_hex(4)}"
        stack.callback(unguard, bridge)
        subnet = _network(engine, bridge, own, internal=internal)
        stack.callback(engine.remove_network, f"{own}-{bridge}")
        container = engine.create(
            RunSpec(
                name=f"{own}-{bridge}",
                image=busybox,
                command=("httpd", "-f", "-p", "8080", "-h", "/bin"),
                networks=(Attachment(network=f"{own}-{bridge}"),),
                expose=(PortRef(8080),),
                init=True,
                labels=current_owner().labels(),
            )
        )
        stack.callback(engine.remove, container, force=True)
        engine.start(container)
        facts = engine.container(container)
        assert facts is not None
        return Place(engine, bridge, str(ip_network(subnet)[1]), container, facts.addresses[f"{own}-{bridge}"])

    return make


@pytest.fixture
def listen(stack: ExitStack) -> Callable[[str], Listener]:
    """Make listeners on addresses of this host."""
    return lambda address: stack.enter_context(_listening(address))


def test_a_container_cannot_connect_to_the_host_and_the_host_can_to_it(
    place: Callable[..., Place], listen: Callable[[str], Listener]
) -> None:
    here = place()
    server = listen(here.gateway)
    assert here.reads(server.address, server.port) == "hello"
    assert guard_bridge(here.bridge, comment="kharness:test") is None
    assert here.reads(server.address, server.port) == ""
    assert _get(here.address) == 200
    unguard(here.bridge)
    assert here.reads(server.address, server.port) == "hello"


def test_a_containers_datagrams_do_not_reach_the_host(
    place: Callable[..., Place], listen: Callable[[str], Listener]
) -> None:
    here = place()
    server = listen(here.gateway)
    here.says(server.address, server.port)
    assert any(b"datagram" in heard for heard in server.heard)
    assert guard_bridge(here.bridge, comment="kharness:test") is None
    server.heard.clear()
    here.says(server.address, server.port)
    assert server.heard == []


def test_a_network_with_a_way_out_does_not_reach_the_hosts_other_addresses(
    place: Callable[..., Place], listen: Callable[[str], Listener]
) -> None:
    here, other = place(internal=False), place()
    server = listen(other.gateway)
    assert here.reads(server.address, server.port) == "hello"
    assert guard_bridge(here.bridge, comment="kharness:test") is None
    assert here.reads(server.address, server.port) == ""


def test_a_second_guard_changes_nothing_and_none_is_left(place: Callable[..., Place]) -> None:
    here = place()
    for _ in range(3):
        assert guard_bridge(here.bridge, comment="kharness:test one") is None
    assert _rules(here.bridge) == [
        f'-A INPUT -i {here.bridge} -m conntrack --ctstate NEW -m comment --comment "kharness:test-one" -j DROP'
    ]
    assert here.bridge in guarded_bridges()
    unguard(here.bridge)
    unguard(here.bridge)
    assert _rules(here.bridge) == []
    assert here.bridge not in guarded_bridges()


def test_rules_of_a_bridge_that_is_gone_can_be_found_and_removed(place: Callable[..., Place]) -> None:
    here = place()
    guard_bridge(here.bridge, comment="kharness:test")
    here.engine.remove(here.container, force=True)
    network = next(found for found in here.engine.networks() if found.bridge == here.bridge)
    here.engine.remove_network(network.id)
    assert here.bridge in guarded_bridges()
    unguard(here.bridge)
    assert _rules(here.bridge) == []


def test_sessions_side_by_side_set_all_their_rules(place: Callable[..., Place]) -> None:
    places = [place() for _ in range(3)]
    reasons: list[str | None] = []

    def work(bridge: str) -> None:
        for _ in range(10):
            reasons.append(guard_bridge(bridge, comment="kharness:test"))
            reasons.append(allow_egress(bridge, ["10.9.9.9"], comment="kharness:test"))
            unguard(bridge)
        reasons.append(guard_bridge(bridge, comment="kharness:test"))

    threads = [threading.Thread(target=work, args=(here.bridge,)) for here in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(reasons) == {None}
    assert [len(_rules(here.bridge)) for here in places] == [1, 1, 1]


def test_a_guard_costs_little(place: Callable[..., Place]) -> None:
    here = place()
    times = []
    for _ in range(5):
        unguard(here.bridge)
        began = time.perf_counter()
        assert guard_bridge(here.bridge, comment="kharness:test") is None
        times.append(time.perf_counter() - began)
    # 7 ms where nothing else runs; the bound is for machines that are busy.
    assert min(times) < 0.5


@pytest.mark.usefixtures("as_root")
def test_only_the_destinations_of_a_list_are_reached(place: Callable[..., Place], outside: tuple[str, str]) -> None:
    allowed, other = outside
    here = place(internal=False)
    assert guard_bridge(here.bridge, comment="kharness:test") is None
    assert _reached(here, allowed, other) == {(allowed, 8080), (allowed, 8081), (other, 8080), (other, 8081)}
    assert allow_egress(here.bridge, [allowed], comment="kharness:test") is None
    assert _reached(here, allowed, other) == {(allowed, 8080), (allowed, 8081)}
    assert allow_egress(here.bridge, [f"{allowed}:8081", f"{other}/32:8080"], comment="kharness:test") is None
    assert _reached(here, allowed, other) == {(allowed, 8081), (other, 8080)}
    assert allow_egress(here.bridge, [], comment="kharness:test") is None
    assert _reached(here, allowed, other) == set()
    assert _get(here.address) == 200
    assert len([rule for rule in _rules(here.bridge) if " INPUT " in rule]) == 1


def test_a_listed_network_of_the_host_is_still_not_reached(
    place: Callable[..., Place], listen: Callable[[str], Listener]
) -> None:
    here, other = place(internal=False), place()
    server = listen(other.gateway)
    assert guard_bridge(here.bridge, comment="kharness:test") is None
    assert allow_egress(here.bridge, ["0.0.0.0/0"], comment="kharness:test") is None
    assert here.reads(server.address, server.port) == ""
    assert _connects(here, other.address, 8080) is False


def test_a_bridge_that_is_not_here_is_a_reason() -> None:
    assert guard_bridge("kht-nowhere", comment="kharness:test") == "the bridge kht-nowhere is not on this host"
    assert allow_egress("kht-nowhere", ["10.1.1.1"], comment="x") == "the bridge kht-nowhere is not on this host"


@pytest.mark.parametrize("bridge", ["", "kht+", "-i lo", "a" * 16, "../x", "a\nb"])
def test_a_name_that_is_no_bridges_is_a_reason(bridge: str) -> None:
    assert guard_bridge(bridge, comment="kharness:test") == f"{bridge!r} is not the name of a bridge"


def test_a_destination_without_sense_is_a_reason() -> None:
    reason = allow_egress("lo", ["10.1.1.1", "not a name"], comment="kharness:test")
    assert reason is not None
    assert reason.startswith("'not a name': should be an address, a network or a name")


def test_a_host_without_iptables_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.host.session.firewall.shutil.which", lambda _name, path: None)  # noqa: ARG005
    assert guard_bridge("lo", comment="kharness:test") == "iptables is not installed"
    assert guarded_bridges() == ()
    unguard("lo")


def test_a_program_that_refuses_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("iptables", "ip6tables"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'you must be root' >&2\nexit 4\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert guard_bridge("lo", comment="kharness:test") == "iptables: you must be root"


@pytest.fixture
def outside(stack: ExitStack) -> tuple[str, str]:
    """Two addresses beyond this host, each with servers on ports 8080 and 8081."""
    name = f"kho-{secrets.token_hex(4)}"
    net = f"10.214.{secrets.randbelow(250)}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    ip("netns", "add", name)
    stack.callback(ip, "netns", "del", name)
    ip("link", "add", name, "type", "veth", "peer", "name", "outside", "netns", name)
    ip("address", "add", f"{net}.1/24", "dev", name)
    ip("link", "set", name, "up")
    for address in (f"{net}.2/24", f"{net}.3/24"):
        ip("-n", name, "address", "add", address, "dev", "outside")
    ip("-n", name, "link", "set", "outside", "up")
    ip("-n", name, "route", "add", "default", "via", f"{net}.1")
    for port in ("8080", "8081"):
        server = subprocess.Popen(["ip", "netns", "exec", name, "busybox", "httpd", "-f", "-p", port])
        stack.callback(server.wait)
        stack.callback(server.kill)
    deadline = time.monotonic() + 60
    for number in (8080, 8081):
        while True:
            with socket.socket() as client:
                if client.connect_ex((f"{net}.2", number)) == 0:
                    break
            assert time.monotonic() < deadline
            time.sleep(0.02)
    return f"{net}.2", f"{net}.3"


def _network(engine: Engine, bridge: str, own: str, *, internal: bool) -> str:
    options = {"com.docker.network.bridge.name": bridge}
    for subnet in candidate_subnets("10.213.0.0/16", seed=secrets.randbelow(1 << 16)):
        request = NetworkRequest(
            name=f"{own}-{bridge}",
            internal=internal,
            subnet=subnet,
            options=options,
            labels=current_owner().labels(),
        )
        try:
            assert engine.create_network(request).bridge == bridge
        except ConflictError:
            continue
        return subnet
    pytest.fail("no free subnet")


@contextmanager
def _listening(address: str) -> Iterator[Listener]:
    with socket.create_server((address, 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        found = Listener(address, tcp.getsockname()[1])
        udp.bind((address, found.port))
        done = threading.Event()
        tcp.settimeout(0.05)
        udp.settimeout(0.05)

        def answer() -> None:
            while not done.is_set():
                try:
                    connection, _ = tcp.accept()
                    with connection:
                        connection.sendall(b"hello")
                except TimeoutError:
                    continue

        def hear() -> None:
            while not done.is_set():
                try:
                    found.heard.append(udp.recv(100))
                except TimeoutError:
                    continue

        threads = [threading.Thread(target=work) for work in (answer, hear)]
        for thread in threads:
            thread.start()
        try:
            yield found
        finally:
            done.set()
            for thread in threads:
                thread.join()


def _reached(here: Place, *addresses: str) -> set[tuple[str, int]]:
    doors = [(address, port) for address in addresses for port in (8080, 8081)]
    with ThreadPoolExecutor(len(doors)) as pool:
        opened = pool.map(lambda door: _connects(here, *door), doors)
    return {door for door, is_open in zip(doors, opened, strict=True) if is_open}


def _connects(here: Place, address: str, port: int) -> bool:
    answer = here.engine.exec(here.container, ["sh", "-c", f"echo 'GET /' | nc -w 1 {address} {port}"])
    return "HTTP" in answer.stdout


def _get(address: str) -> int:
    with urllib.request.urlopen(f"http://{address}:8080/busybox", timeout=60) as answer:
        return int(answer.status)


def _rules(bridge: str) -> list[str]:
    done = subprocess.run(["iptables", "-w", "-S"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if f" {bridge} " in line and "kharness:" in line]

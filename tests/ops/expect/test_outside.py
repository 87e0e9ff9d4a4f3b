"""What a DNS server answers, asked of one on the loopback that answers what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, TCPServer, UDPServer

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from kharness.errors import ExpectationError
from kharness.ops.expect.outside import expect_dns
from kharness.ops.session.instance import Instance, InstanceFacts
from kharness.plan.session.readiness import ByRunning
from kharness.testing import FakeEngine

NAS = ["nas.home.arpa. 60 IN A 192.0.2.5", "nas.home.arpa. 60 IN A 192.0.2.6"]
Answer = tuple[list[str], str]
"""Records, and the response code."""
MAIL = ["home.arpa. 60 IN MX 10 Mail.home.arpa.", 'home.arpa. 60 IN TXT "v=spf1 -all"']


@dataclass
class Script:
    """What the server answers; `short` cuts what it says over UDP."""

    port: int = 0
    records: list[str] = field(default_factory=list)
    rcode: str = "NOERROR"
    short: bool = False
    mute: bool = False

    def reply(self, wire: bytes, *, udp: bool) -> bytes:
        reply = dns.message.make_response(dns.message.from_wire(wire))
        reply.set_rcode(dns.rcode.from_text(self.rcode))
        if udp and self.short:
            reply.flags |= dns.flags.TC
        else:
            for record in self.records:
                name, ttl, *rest = record.split(maxsplit=4)
                reply.answer.append(dns.rrset.from_text(name, int(ttl), *rest))
        return reply.to_wire()


@pytest.fixture(scope="module")
def served() -> Iterator[Script]:
    script = Script()

    class Udp(BaseRequestHandler):
        def handle(self) -> None:
            data, connection = self.request
            if not script.mute:
                connection.sendto(script.reply(data, udp=True), self.client_address)

    class Tcp(BaseRequestHandler):
        def handle(self) -> None:
            length = int.from_bytes(self.request.recv(2), "big")
            answer = script.reply(self.request.recv(length), udp=False)
            self.request.sendall(len(answer).to_bytes(2, "big") + answer)

    with TCPServer(("127.0.0.1", 0), Tcp) as tcp:
        script.port = tcp.server_address[1]
        with UDPServer(("127.0.0.1", script.port), Udp) as udp:
            for server in (tcp, udp):
                threading.Thread(target=server.serve_forever, args=(0.01,)).start()
            yield script
            udp.shutdown()
            tcp.shutdown()


@pytest.fixture
def script(served: Script) -> Script:
    served.records, served.rcode, served.short, served.mute = [], "NOERROR", False, False
    return served


@pytest.fixture
def instance(script: Script) -> Instance:
    published = {f"53/{protocol}": script.port for protocol in ("tcp", "udp")}
    facts = InstanceFacts(name="dns", container="dns", id="x", image="y", mode="standalone", published=published)
    return Instance(FakeEngine(), facts, ready=ByRunning, ready_timeout=1.0)


@pytest.mark.parametrize(
    ("name", "wanted", "answer"),
    [
        ("nas.home.arpa", {}, (NAS, "NOERROR")),
        ("nas.home.arpa", {"answers": ("192.0.2.6",)}, (NAS, "NOERROR")),
        ("nas.home.arpa.", {"answers": ("192.0.2.6", "192.0.2.5")}, (NAS, "NOERROR")),
        ("home.arpa", {"kind": "MX", "answers": ("10 mail.HOME.arpa",)}, (MAIL, "NOERROR")),
        ("home.arpa", {"kind": "TXT", "answers": ("v=spf1 -all",)}, (MAIL, "NOERROR")),
        ("ads.example", {"rcode": "NXDOMAIN"}, ([], "NXDOMAIN")),
        ("ads.example", {"rcode": "REFUSED"}, ([], "REFUSED")),
    ],
)
def test_an_expected_answer_passes(
    script: Script, instance: Instance, name: str, wanted: dict[str, object], answer: Answer
) -> None:
    script.records, script.rcode = answer
    for protocol in ("udp", "tcp"):
        expect_dns(instance, name, protocol=protocol, timeout=0, **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "answer", "seen"),
    [
        ({}, ([], "NXDOMAIN"), "NXDOMAIN, no answer"),
        ({}, ([], "NOERROR"), "NOERROR, no answer"),
        ({"kind": "AAAA"}, (NAS, "NOERROR"), "NOERROR, no answer"),
        ({"answers": ("192.0.2.7",)}, (NAS, "NOERROR"), "NOERROR, 192.0.2.5, 192.0.2.6"),
        ({"rcode": "NXDOMAIN"}, (NAS, "NOERROR"), "NOERROR, 192.0.2.5, 192.0.2.6"),
    ],
)
def test_another_answer_is_reported(
    script: Script, instance: Instance, wanted: dict[str, object], answer: Answer, seen: str
) -> None:
    script.records, script.rcode = answer
    with pytest.raises(ExpectationError) as caught:
        expect_dns(instance, "nas.home.arpa", timeout=0, **wanted)  # type: ignore[arg-type]
    assert str(caught.value).endswith(f"within 0 s\nseen: {seen}")


def test_a_truncated_answer_is_repeated_over_tcp(script: Script, instance: Instance) -> None:
    script.records, script.short = NAS, True
    expect_dns(instance, "nas.home.arpa", answers=("192.0.2.5",), timeout=0)


def test_a_silent_server_is_reported(script: Script, instance: Instance) -> None:
    script.mute = True
    with pytest.raises(ExpectationError) as caught:
        expect_dns(instance, "nas.home.arpa", answers=("192.0.2.5",), timeout=0.1)
    assert str(caught.value) == (
        "expected nas.home.arpa A to be answered with NOERROR, 192.0.2.5 over udp within 0.1 s\n"
        f"seen: 127.0.0.1:{script.port}/udp does not answer"
    )

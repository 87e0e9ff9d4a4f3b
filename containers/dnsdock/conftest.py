"""The server under test, asked as its clients ask it."""

from __future__ import annotations

from typing import Any

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest


class Server:
    """Asks a container's server over one protocol."""

    def __init__(self, container: Any, protocol: str) -> None:
        self._container = container
        self._protocol = protocol

    def ask(self, name: str, kind: str = "A") -> tuple[str, list[str]]:
        """Return the response code, such as NOERROR, and the addresses or names of the answer."""
        host, port = self._container.endpoint(53, self._protocol)
        question = dns.message.make_query(name, kind)
        if self._protocol == "udp":
            answer = dns.query.udp(question, host, port=port, timeout=5.0)
        else:
            answer = dns.query.tcp(question, host, port=port, timeout=5.0)
        wanted = dns.rdatatype.from_text(kind)
        found = [record.to_text() for each in answer.answer if each.rdtype == wanted for record in each]
        return dns.rcode.to_text(answer.rcode()), found


@pytest.fixture(params=["udp", "tcp"])
def server(request: pytest.FixtureRequest, container: Any) -> Server:
    """Ask by UDP, then by TCP: clients need both."""
    return Server(container, request.param)

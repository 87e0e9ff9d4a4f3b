"""Expectations of a container from outside: a web page, a TCP port, a DNS answer, a dialogue with a port."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import httpx

from kharness.errors import HostError
from kharness.ops.expect.until import until
from kharness.ops.host.web import trust
from kharness.ops.session.instance import Instance
from kharness.ops.session.readiness import NotYetError
from kharness.plan.expect import Text, described, is_, lacks, with_texts
from kharness.plan.launch.environment import redact


def expect_http(
    url: str,
    *,
    status: int = 200,
    texts: Sequence[Text] = (),
    header: Mapping[str, Text] | None = None,
    method: str = "GET",
    verify: bool = True,
    timeout: float,
    hidden: Iterable[str] = (),
) -> httpx.Response:
    """Expect a status, all the texts in the body, and headers; returns the response. Redirects are not followed.

    `verify` says whether a certificate is checked. Raises `ExpectationError`.
    """
    headers = dict(header or {})

    def look(left: float) -> httpx.Response:
        try:
            response = httpx.request(method, url, timeout=left, trust_env=False, verify=trust() if verify else False)
        except httpx.HTTPError as error:
            raise NotYetError(f"{type(error).__name__}: {error}") from error
        if response.status_code != status:
            raise NotYetError(f"status {response.status_code}: {response.text}")
        for name, value in headers.items():
            found = response.headers.get(name)
            if found is None or not is_(found, value):
                raise NotYetError(f"header {name}: {found!r}")
        if lacks(response.text, texts):
            raise NotYetError(f"the text {response.text}")
        return response

    wanted = f"{method} {url} to answer {status}{with_texts(texts)}"
    wanted += "".join(f" with header {name} {described(value)}" for name, value in headers.items())
    return until(look, wanted=wanted, timeout=timeout, hidden=hidden)


def expect_tcp(instance: Instance, port: int, *, listens: bool = True, timeout: float) -> None:
    """Expect that the container listens on a port and takes a connection from here, or that it does not listen.

    A connection alone proves nothing: the proxy of a published port, or a gateway, may accept it. Raises
    `ExpectationError`.
    """
    host, number = instance.endpoint(port)

    def look(left: float) -> None:
        try:
            found = port in instance.listening()
        except HostError as error:
            raise NotYetError(str(error)) from error
        if found is not listens:
            raise NotYetError("something listens there" if found else "nothing listens there inside the container")
        if listens:
            _connect(left)

    def _connect(left: float) -> None:
        try:
            with socket.create_connection((host, number), timeout=left):
                pass
        except OSError as error:
            raise NotYetError(f"something listens there, but {host}:{number} cannot be reached: {error}") from error

    wanted = f"{port}/tcp to be listened on" if listens else f"{port}/tcp not to be listened on"
    until(look, wanted=wanted, timeout=timeout, hidden=instance.secrets)


PATIENCE = 2.0
"""Seconds after which a query is repeated."""


def expect_dns(
    instance: Instance,
    name: str,
    *,
    kind: str = "A",
    answers: Sequence[str] = (),
    rcode: str = "NOERROR",
    port: int = 53,
    protocol: str = "udp",
    timeout: float,
) -> None:
    """Expect the container's DNS server to answer with a code and all the answers; NOERROR needs at least one record.

    An answer is the text of a record of that kind; case, quotes and a final dot do not matter. A truncated answer over
    UDP is repeated over TCP. Raises `ExpectationError`.
    """
    question = dns.message.make_query(name, kind)
    host, number = instance.endpoint(port, protocol)
    wanted = f"{name} {kind} to be answered with {rcode}{''.join(f', {answer}' for answer in answers)} over {protocol}"

    def look(left: float) -> None:
        reply = _ask(question, host, number, protocol=protocol, timeout=min(left, PATIENCE))
        records = [record for each in reply.answer if each.rdtype == question.question[0].rdtype for record in each]
        found = [record.to_text() for record in records]
        code = dns.rcode.to_text(reply.rcode())
        lacks = not set(map(_plain, found)).issuperset(map(_plain, answers))
        if code != rcode or lacks or (rcode == "NOERROR" and not found):
            raise NotYetError(f"{code}, {', '.join(found) or 'no answer'}")

    until(look, wanted=wanted, timeout=timeout, hidden=instance.secrets)


def _ask(
    question: dns.message.QueryMessage, host: str, port: int, *, protocol: str, timeout: float
) -> dns.message.Message:
    try:
        if protocol == "tcp":
            return dns.query.tcp(question, host, port=port, timeout=timeout)
        return dns.query.udp_with_fallback(question, host, port=port, timeout=timeout)[0]
    except dns.exception.Timeout as error:
        raise NotYetError(f"{host}:{port}/{protocol} does not answer") from error
    except (OSError, EOFError, dns.exception.DNSException) as error:
        raise NotYetError(f"{host}:{port}/{protocol}: {str(error) or type(error).__name__}") from error


def _plain(answer: str) -> str:
    return answer.replace('"', "").rstrip(".").lower()


Dialogue = Sequence[tuple[str, bytes]]


def expect_dialogue(
    instance: Instance, port: int, dialogue: Dialogue, *, protocol: str = "tcp", timeout: float
) -> bytes:
    """Carry out pairs of `send` with bytes and `expect` with a regular expression; returns all received bytes.

    The whole dialogue is repeated until it succeeds or the time is over. Raises `ExpectationError`, and `ValueError`
    for any other word.
    """
    address = instance.endpoint(port, protocol)
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM

    def look(left: float) -> bytes:
        deadline = time.monotonic() + left
        try:
            with socket.socket(socket.AF_INET, kind) as connection:
                connection.settimeout(left)
                connection.connect(address)
                return b"".join(_converse(connection, dialogue, deadline=deadline, hidden=instance.secrets))
        except OSError as error:
            raise NotYetError(str(error)) from error

    wanted = f"{address[0]}:{address[1]}/{protocol} to hold the dialogue"
    return until(look, wanted=wanted, timeout=timeout, hidden=instance.secrets)


def _converse(
    connection: socket.socket, dialogue: Dialogue, *, deadline: float, hidden: Iterable[str]
) -> Iterator[bytes]:
    for act, content in dialogue:
        if act == "send":
            connection.sendall(content)
        elif act == "expect":
            yield _heard(connection, content, deadline=deadline, hidden=hidden)
        else:
            raise ValueError(f"a dialogue has 'send' and 'expect', not {act!r}")


def _heard(connection: socket.socket, wanted: bytes, *, deadline: float, hidden: Iterable[str]) -> bytes:
    heard = b""
    while not re.search(wanted, heard):
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            more = connection.recv(65536)
        except TimeoutError:
            raise NotYetError(f"{_shown(heard, hidden)} while waiting for {wanted!r}") from None
        if not more:
            raise NotYetError(
                f"the peer closed the connection while waiting for {wanted!r}, after {_shown(heard, hidden)}"
            )
        heard += more
    return heard


def _shown(heard: bytes, hidden: Iterable[str]) -> str:
    # Redact first: an escaped secret would not be recognized.
    return repr(redact(heard.decode(errors="surrogateescape"), hidden).encode(errors="surrogateescape"))

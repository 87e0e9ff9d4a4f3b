"""A dialogue with a port of the container."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable, Iterator, Sequence

from kharness.ops.expect.until import until
from kharness.ops.instance import Instance
from kharness.ops.waiting import NotYetError
from kharness.plan.secrets import redact

Dialogue = Sequence[tuple[str, bytes]]


def expect_dialogue(
    instance: Instance, port: int, dialogue: Dialogue, *, protocol: str = "tcp", timeout: float
) -> bytes:
    """Expect pairs of `send` with bytes and `expect` with a regular expression; returns all that was received.

    The whole dialogue is tried again until the time is over. Raises `ExpectationError`, and `ValueError` for another
    word than these two.
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
            raise NotYetError(f"after {wanted!r} was awaited: {_shown(heard, hidden)}") from None
        if not more:
            raise NotYetError(f"the peer closed; {wanted!r} was awaited after {_shown(heard, hidden)}")
        heard += more
    return heard


def _shown(heard: bytes, hidden: Iterable[str]) -> str:
    # Before it is escaped, which would make a secret another text.
    return repr(redact(heard.decode(errors="surrogateescape"), hidden).encode(errors="surrogateescape"))

"""What the container's own DNS server answers."""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from kharness.ops.expect.until import until
from kharness.ops.instance import Instance
from kharness.ops.waiting import NotYetError

PATIENCE = 2.0
"""Seconds after which a question that got lost is asked again."""


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
    """Expect the server to answer with a code, and with each of the answers; without any, NOERROR needs at least one.

    An answer is the text of a record of that kind; the case of its letters, quotes and a dot at its end do not matter.
    Over UDP, an answer that is too long comes by TCP. Raises `ExpectationError`.
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

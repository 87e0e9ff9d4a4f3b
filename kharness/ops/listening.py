"""Which ports a running container listens on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kharness.engine.api import Engine
from kharness.errors import EngineError
from kharness.ops.waiting import NotYetError
from kharness.plan.facts import ContainerFacts
from kharness.plan.listening import LISTEN, UNCONNECTED, listening_ports

TABLES = {"tcp": (("tcp", "tcp6"), LISTEN), "udp": (("udp", "udp6"), UNCONNECTED)}


def listening(engine: Engine, facts: ContainerFacts, *, protocol: str = "tcp") -> frozenset[int]:
    """Return the ports that it listens on for others; `NotYetError` where they cannot be listed.

    Among those of UDP are those that it asks others from.
    """
    names, state = TABLES[protocol]
    return listening_ports(_tables(engine, facts, names), state=state)


def _tables(engine: Engine, facts: ContainerFacts, names: tuple[str, ...]) -> list[str]:
    # The host's own view costs a thousandth of an exec and works in images without `cat`.
    if engine.facts().local and facts.pid:
        with suppress(OSError):
            return [Path(f"/proc/{facts.pid}/net/{name}").read_text() for name in names]
    try:
        answers = [engine.exec(facts.id, ("cat", f"/proc/net/{name}")) for name in names]
    except EngineError as error:
        raise NotYetError(f"its sockets cannot be listed: {error}") from error
    if not answers[0].ok:
        raise NotYetError(f"its sockets cannot be listed: {answers[0].stderr.strip() or 'cat does not run in it'}")
    return [answer.stdout for answer in answers]

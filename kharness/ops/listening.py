"""Which ports a running container listens on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kharness.engine.api import Engine
from kharness.errors import EngineError
from kharness.ops.waiting import NotYetError
from kharness.plan.facts import ContainerFacts
from kharness.plan.listening import listening_ports

TABLES = ("tcp", "tcp6")


def listening(engine: Engine, facts: ContainerFacts) -> frozenset[int]:
    """Return the TCP ports that it listens on for others; `NotYetError` where they cannot be listed."""
    return listening_ports(_tables(engine, facts))


def _tables(engine: Engine, facts: ContainerFacts) -> list[str]:
    # The host's own view costs a thousandth of an exec and works in images without `cat`.
    if engine.facts().local and facts.pid:
        with suppress(OSError):
            return [Path(f"/proc/{facts.pid}/net/{name}").read_text() for name in TABLES]
    try:
        answers = [engine.exec(facts.id, ("cat", f"/proc/net/{name}")) for name in TABLES]
    except EngineError as error:
        raise NotYetError(f"its sockets cannot be listed: {error}") from error
    if not answers[0].ok:
        raise NotYetError(f"its sockets cannot be listed: {answers[0].stderr.strip() or 'cat does not run in it'}")
    return [answer.stdout for answer in answers]

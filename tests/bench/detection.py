"""How long after a service answers kharness notices: its own wait, beside a prober that asks without a pause."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable

from kharness.engine.api import Engine
from kharness.ops.session.readiness import wait_ready
from kharness.plan.launch.runspec import Attachment, RunSpec
from kharness.plan.session.readiness import ByHealth
from tests.bench.fleet import COMMAND, HEALTH, PORT, Fleet
from tests.bench.timing import BenchError, Series

POLL = 0.002
SOONEST, LATEST = 0.3, 1.0
"""Seconds after its start at which the service begins to answer."""
TIMEOUT = 30.0


def detection(
    engine: Engine, fleet: Fleet, *, samples: int, chance: random.Random, progress: Callable[[str], None]
) -> Series:
    """Launch containers whose service begins at a random moment; return the seconds from answer to readiness."""
    found = []
    for number in range(samples):
        progress(f"readiness {number + 1} of {samples}")
        found.append(_sample(engine, fleet, name=f"{fleet.name}-slow-{number}", sleep=chance.uniform(SOONEST, LATEST)))
    return Series(tuple(found))


def _sample(engine: Engine, fleet: Fleet, *, name: str, sleep: float) -> float:
    spec = RunSpec(
        name=name,
        image=fleet.image,
        command=("sh", "-c", f"sleep {sleep:.3f}; exec {' '.join(COMMAND)}"),
        networks=(Attachment(network="bridge"),),
    )
    container = engine.create(spec)
    try:
        engine.start(container)
        facts = engine.container(container)
        prober = Prober(next(iter(facts.addresses.values())) if facts else "")
        prober.start()
        wait_ready(engine, container, ByHealth(HEALTH), spec=spec, timeout=TIMEOUT)
        noticed = time.perf_counter()
        prober.join(TIMEOUT)
        if prober.answered is None:
            raise BenchError(f"{name} was taken for ready and does not answer at {prober.address}")
        return noticed - prober.answered
    finally:
        engine.remove(container, force=True)


class Prober(threading.Thread):
    """Notes when an address first answers a request."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.answered: float | None = None

    def run(self) -> None:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                with socket.create_connection((self.address, PORT), timeout=1) as connection:
                    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    if b" 200 " in connection.recv(100):
                        self.answered = time.perf_counter()
                        return
            except OSError:
                pass
            time.sleep(POLL)

"""A long log takes neither the time nor the memory of whoever looks at it."""

from __future__ import annotations

import secrets
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from kharness.engine.api import Engine
from kharness.errors import ExpectationError
from kharness.ops.expect.inside import expect_log
from kharness.ops.session.instance import Instance, InstanceFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.readiness import ByRunning

pytestmark = pytest.mark.engine

LINE, LINES = 6000, 10_000
SCRIPT = f"echo first; yes $(head -c {LINE} /dev/zero | tr '\\0' a) | head -n {LINES}; echo last; exec sleep 600"
MEMORY = 100 << 20


@pytest.fixture(scope="module")
def talker(engine: Engine, busybox: str) -> Iterator[Instance]:
    spec = RunSpec(
        name=f"kharness-test-{secrets.token_hex(4)}-talker",
        image=busybox,
        command=("sh", "-c", SCRIPT),
        stop_grace_period=0,
    )
    container = engine.create(spec)
    try:
        engine.start(container)
        deadline = time.monotonic() + 60
        while engine.logs(container, tail=1) != "last\n":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        facts = InstanceFacts(name="talker", container=spec.name, id=container, image=busybox, mode="in-prod")
        yield Instance(engine, facts, ready=ByRunning, ready_timeout=1.0)
    finally:
        engine.remove(container, force=True)


def spent(work: Callable[[], object]) -> tuple[float, int]:
    """Return the seconds and the most bytes that it took."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        work()
        return time.monotonic() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_end_of_a_big_log_is_read_quickly(talker: Instance) -> None:
    def work() -> None:
        found = talker.logs(tail=50).splitlines()
        assert (len(found), len(found[0]), found[-1]) == (50, LINE, "last")

    seconds, memory = spent(work)
    assert (seconds < 5, memory < 10 << 20) == (True, True), (seconds, memory)


def test_a_big_log_is_read_in_constant_memory(talker: Instance) -> None:
    found: list[str] = []
    _, memory = spent(lambda: found.append(talker.logs()))
    assert found[0].endswith(f"{'a' * LINE}\nlast\n")
    assert len(found[0]) <= 16 << 20
    assert memory < MEMORY


def test_an_expectation_ends_in_its_time(talker: Instance) -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            expect_log(talker, never="panic", timeout=1)
        except ExpectationError as error:
            seen.append(str(error))

    seconds, memory = spent(work)
    assert (seconds < 10, memory < MEMORY) == (True, True), (seconds, memory)
    # A machine that reads all of it within the time has seen that there is none.
    assert not seen or "a log that is too long: " in seen[0]


def test_a_line_that_is_found_early_ends_the_reading(talker: Instance) -> None:
    seconds, memory = spent(lambda: expect_log(talker, seen="first", timeout=1))
    assert (seconds < 2, memory < 10 << 20) == (True, True), (seconds, memory)

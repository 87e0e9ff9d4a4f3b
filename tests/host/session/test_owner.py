from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kharness.host.session.owner import Owner, current_owner, liveness, process_start
from kharness.plan import labels

HERE = Owner(machine="m", boot="b", pidns="1", pid=10, start=100)


def test_this_process_is_alive() -> None:
    assert liveness(current_owner(), current_owner()) == "alive"
    assert current_owner().pid == os.getpid()


def test_an_owner_survives_its_labels() -> None:
    owner = current_owner()
    assert Owner.from_labels(owner.labels()) == owner
    assert all(name.startswith("kharness.owner.") for name in owner.labels())


@pytest.mark.parametrize("missing", sorted(HERE.labels()))
def test_incomplete_labels_name_nobody(missing: str) -> None:
    found = {name: value for name, value in HERE.labels().items() if name != missing}
    assert Owner.from_labels(found) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [(labels.OWNER_PID, "x"), (labels.OWNER_PID, "-1"), (labels.OWNER_START, ""), (labels.OWNER_MACHINE, "")],
)
def test_labels_without_sense_name_nobody(name: str, value: str) -> None:
    assert Owner.from_labels({**HERE.labels(), name: value}) is None


@pytest.mark.parametrize(
    ("owner", "running", "judgement"),
    [
        (HERE, {10: 100}, "alive"),
        (HERE, {10: 101}, "dead"),
        (HERE, {}, "dead"),
        (replace(HERE, boot="c"), {10: 100}, "dead"),
        (replace(HERE, machine="n"), {}, "foreign"),
        (replace(HERE, machine="n", boot="c"), {}, "foreign"),
        (replace(HERE, pidns="2"), {}, "foreign"),
    ],
)
def test_an_owner_is_judged_by_machine_boot_namespace_pid_and_start(
    owner: Owner, running: dict[int, int], judgement: str
) -> None:
    assert liveness(owner, HERE, read=running.get) == judgement


def test_a_process_that_may_not_be_seen_counts_as_alive() -> None:
    def hidden(_pid: int) -> int | None:
        raise PermissionError

    assert liveness(HERE, HERE, read=hidden) == "alive"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_an_ended_process_is_dead_also_before_it_is_waited_for(child: subprocess.Popen[bytes]) -> None:
    here = current_owner()
    start = process_start(child.pid)
    assert start is not None
    owner = replace(here, pid=child.pid, start=start)
    assert liveness(owner, here) == "alive"
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert liveness(owner, here) == "dead"
    child.wait()
    assert liveness(owner, here) == "dead"


def test_a_command_with_brackets_does_not_confuse_the_start_time() -> None:
    code = "import ctypes; ctypes.CDLL(None).prctl(15, b') Z 1 2 ('); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        start, mine = process_start(process.pid), process_start(os.getpid())
        process.kill()
    assert start is not None
    assert mine is not None
    assert 0 <= start - mine < 10_000_000

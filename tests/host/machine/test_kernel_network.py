from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kharness.host.machine.kernel import in_use

SERVICE = """
import socket, sys
print("runs", flush=True)
sys.stdin.readline()
service = socket.create_server(("0.0.0.0", 8080))
print("listens", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def service() -> Iterator[subprocess.Popen[str]]:
    """A process in a network of its own that listens when it is told to, and ends when it is told again."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", SERVICE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if not process.stdout or process.stdout.readline() != "runs\n":
            pytest.skip("needs the right to make a network namespace")
        yield process
        process.kill()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    assert process.stdout
    print(file=process.stdin, flush=True)
    process.stdout.readline()


def test_what_begins_to_listen_is_seen(service: subprocess.Popen[str]) -> None:
    before = in_use(service.pid)
    assert before
    assert before["TCP"] == 0
    tell(service)
    assert in_use(service.pid) == {**before, "TCP": 1}


def test_what_has_ended_shows_nothing(service: subprocess.Popen[str]) -> None:
    assert in_use(service.pid) is not None
    tell(service)
    tell(service)
    service.wait()
    assert in_use(service.pid) is None


def test_our_own_network_shows_nothing_because_it_is_everybodys() -> None:
    assert in_use(os.getpid()) is None

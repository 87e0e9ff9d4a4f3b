"""A program in the foreground has its own status and its own signals."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kharness.host.session.results import new_result, take_result, write_result
from kharness.plan.gate.result import SessionResult

SUPERVISOR = """
import sys
from kharness.host.machine.programs import supervise
print("status", supervise(sys.argv[1:]))
"""
WAITS = """
import signal, sys, time
signal.signal(signal.{name}, lambda *_: sys.exit(7))
print("ready", flush=True)
while True:
    # A signal that comes just before a sleep does not end it.
    time.sleep(0.1)
"""


def started(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SUPERVISOR, sys.executable, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize(
    ("code", "status"),
    [("", 0), ("raise SystemExit(5)", 5), ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9)],
)
def test_it_ends_with_the_programs_status(code: str, status: int) -> None:
    with started("-c", code) as process:
        out, _ = process.communicate(timeout=60)
    assert out == f"status {status}\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_signal_to_the_supervisor_is_the_programs(name: str) -> None:
    with started("-c", WAITS.format(name=name)) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.Signals[name])
        out, _ = process.communicate(timeout=60)
    assert out == "status 7\n"


def test_a_program_ends_with_its_supervisor() -> None:
    with started("-c", WAITS.format(name="SIGTERM")) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.kill()
        # The pipe ends with the last process that holds it.
        assert process.stdout.read() == ""


def test_what_cannot_be_run_is_a_message_and_a_status() -> None:
    command = [sys.executable, "-c", SUPERVISOR, "/nowhere/x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (
        "status 127\n",
        "kharness: /nowhere/x: cannot be run: No such file or directory\n",
    )


def test_a_result_counts_once_and_for_one_run(tmp_path: Path) -> None:
    first, second = (new_result(tmp_path / "new", "web") for _ in range(2))
    assert first != second
    assert take_result(first) is None
    write_result(first, SessionResult(status=3))
    assert take_result(first) == SessionResult(status=3)
    assert take_result(first) is None
    assert list((tmp_path / "new").iterdir()) == []

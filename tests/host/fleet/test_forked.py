"""The child's side of a fork: its value, its reports, its output, its failures."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from kharness.errors import LaunchError
from kharness.host.fleet.children import Ended, Reported
from kharness.host.fleet.forked import Tell, Work
from tests.host.fleet.yard import Yard

# Workers of pytest-xdist have a second thread, which newer Pythons warn of.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def test_value_progress_and_output_of_a_job_arrive(yard: Yard) -> None:
    def work(tell: Tell) -> Any:
        tell("stopping")
        print("on its output")  # noqa: T201
        os.write(2, b"garbage \xff\x00\n")
        tell(" a detail")
        return {"name": "wéb", "pid": os.getpid()}

    events, _ = yard.run(yard.job("web", work))
    assert events[:2] == [Reported(name="web", what="stopping"), Reported(name="web", what=" a detail")]
    ended = events[2]
    assert isinstance(ended, Ended)
    assert (ended.problem, ended.value["name"], ended.value["pid"] != os.getpid()) == ("", "wéb", True)
    log = yard.path / "web.log"
    assert log.read_bytes() == b"stopping\non its output\ngarbage \xff\x00\na detail\n"
    assert (log.stat().st_mode & 0o777, log.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    yard.run(yard.job("web", lambda _: None))
    assert (yard.log("web"), (yard.path / "web.log.1").read_bytes().startswith(b"stopping")) == ("", True)


def fail(_: Tell) -> None:
    raise LaunchError("web: no disk\n    | log")


def err(_: Tell) -> None:
    raise ZeroDivisionError("by nothing")


def vanish(_: Tell) -> None:
    os._exit(0)


def crash(_: Tell) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def stopped_by_others(_: Tell) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def unspeakable(_: Tell) -> object:
    return object()


@pytest.mark.parametrize(
    ("work", "problem", "logged"),
    [
        (fail, "web: no disk\n    | log", "web: no disk"),
        (err, "an error in kharness itself, which the log shows: ZeroDivisionError: by nothing", "Traceback"),
        (unspeakable, "an error in kharness itself, which the log shows: TypeError: ", "Traceback"),
        (stopped_by_others, "interrupted", "interrupted"),
        (vanish, "it ended without a result", ""),
        (crash, "it was ended by SIGUSR1", ""),
    ],
)
def test_a_failure_is_reported(yard: Yard, work: Work, problem: str, logged: str) -> None:
    ended = yard.one(work)
    assert ended.problem.startswith(problem)
    assert (ended.value, ended.stopped) == (None, False)
    assert logged in yard.log("one")


def test_a_program_has_a_status(yard: Yard) -> None:
    ended = yard.one(["/bin/sh", "-c", "echo hello; exit 3"])
    assert (ended.status, ended.problem, yard.log("one")) == (3, "", "hello\n")
    assert yard.one(["/nowhere/program"]).status == 70
    assert "/nowhere/program: cannot be run: No such file" in yard.log("one")
    assert yard.one(["/bin/sh", "-c", "kill -KILL $$"]).problem == "it was ended by SIGKILL"

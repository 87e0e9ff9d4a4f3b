"""Child processes: deadlines, signals, logs, and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from kharness.errors import HostError, LaunchError
from kharness.host.fleet.children import CHUNK, CHUNKS, Children, Ended, Reported
from kharness.host.fleet.forked import Tell, Work
from tests.host.fleet.yard import Yard

# Workers of pytest-xdist have a second thread, which newer Pythons warn of.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def assert_gone(pid: int) -> None:
    until = time.monotonic() + 60
    with suppress(FileNotFoundError):
        while " Z " not in Path(f"/proc/{pid}/stat").read_text():
            assert time.monotonic() < until


def test_jobs_run_concurrently(yard: Yard) -> None:
    names = {"0", "1", "2", "3"}

    def meeting(name: str) -> Work:
        def work(_: Tell) -> None:
            (yard.path / f"{name}.here").touch()
            while not all((yard.path / f"{other}.here").exists() for other in names):
                time.sleep(0.01)

        return work

    events, _ = yard.run(*(yard.job(name, meeting(name)) for name in names))
    assert {event.name: event.problem for event in events if isinstance(event, Ended)} == dict.fromkeys(names, "")


def test_the_exit_status_is_known_even_if_sigchld_was_ignored(yard: Yard) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert yard.one(["/bin/sh", "-c", "exit 3"]).status == 3
        assert yard.one(lambda _: os.system("exit 3")).value == 3 << 8
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_job_may_undo_its_work_at_its_deadline(yard: Yard) -> None:
    def work(tell: Tell) -> None:
        try:
            time.sleep(60)
        except KeyboardInterrupt as error:
            os.kill(os.getpid(), signal.SIGINT)  # it was told, and is not told again
            tell("undone")
            error.add_note("a volume is left")
            raise

    ended = yard.one(work, timeout=1)
    assert ended.problem == "it took longer than 1 s, and was stopped: a volume is left"
    assert (ended.stopped, yard.log("one")) == (True, "undone\ninterrupted\na volume is left\n")


def test_work_that_ends_at_the_last_moment_counts_as_done(yard: Yard) -> None:
    def work(_: Tell) -> str:
        with suppress(KeyboardInterrupt):
            time.sleep(60)
        return "decided"

    ended = yard.one(work, timeout=1)
    assert (ended.value, ended.problem, ended.stopped) == ("decided", "", False)
    ended = yard.one(["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"], timeout=1)
    assert (ended.status, ended.problem, ended.stopped) == (0, "", False)


@pytest.mark.parametrize("program", [False, True])
def test_a_job_that_does_not_end_is_killed_with_its_children(yard: Yard, program: bool) -> None:  # noqa: FBT001
    script = "trap '' TERM; sleep 50 & echo $!; wait; sleep 50"

    def work(_: Tell) -> None:
        while True:
            with suppress(KeyboardInterrupt):
                os.system(script)

    ended = yard.one(["/bin/sh", "-c", script] if program else work, timeout=1, grace=0.2)
    assert ended.problem == "it took longer than 1 s, and was stopped, and killed"
    assert 1.2 <= ended.seconds < 40
    assert_gone(int(yard.log("one").split()[0]))


@pytest.mark.parametrize("program", [False, True])
def test_a_stopped_job_leaves_no_children(yard: Yard, program: bool) -> None:  # noqa: FBT001
    script = "sleep 47 & echo $!; wait"

    def work(_: Tell) -> None:
        subprocess.Popen(["/bin/sh", "-c", script])
        time.sleep(60)

    ended = yard.one(["/bin/sh", "-c", script] if program else work, timeout=1)
    assert ended.problem == "it took longer than 1 s, and was stopped"
    assert ended.seconds < 40
    assert_gone(int(yard.log("one").split()[0]))


def test_a_finished_job_may_leave_children(yard: Yard) -> None:
    assert yard.one(["/bin/sh", "-c", "sleep 47 & echo $!"]).status == 0
    pid = int(yard.log("one"))
    os.kill(pid, signal.SIGKILL)
    assert_gone(pid)


def test_a_long_value_does_not_delay_deadlines(yard: Yard) -> None:
    size = 30 << 20
    waits: list[float] = []
    began = time.monotonic()

    def look(_: Children) -> None:
        waits.append(time.monotonic() - began - sum(waits))

    (*_, ended), _ = yard.run(yard.job("one", lambda _: "x" * size), meanwhile=look)
    assert isinstance(ended, Ended)
    assert len(ended.value) == size
    assert max(waits) < 15
    assert len(waits) > size // (CHUNK * CHUNKS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_jobs_and_they_undo_their_work(yard: Yard, number: signal.Signals) -> None:
    def work(tell: Tell) -> None:
        try:
            tell("begun")
            time.sleep(60)
        except KeyboardInterrupt:
            time.sleep(0.2)
            tell("undone")
            raise

    begun: set[str] = set()

    def interrupt(_: Children) -> None:
        names = {name for name in ("a", "b") if "begun" in yard.log(name)}
        if names == {"a", "b"} and not begun:
            begun.update(names)
            os.kill(os.getpid(), number)

    handler = signal.getsignal(number)
    events, seen = yard.run(yard.job("a", work), yard.job("b", work), meanwhile=interrupt)
    ends = {event.name: event for event in events if isinstance(event, Ended)}
    assert {(end.problem, end.stopped) for end in ends.values()} == {("interrupted", True)}
    assert [event.what for event in events if isinstance(event, Reported)].count("undone") == 2
    assert (seen, signal.getsignal(number)) == (number, handler)


def test_a_second_signal_kills(yard: Yard) -> None:
    def work(tell: Tell) -> None:
        tell("begun")
        while True:
            with suppress(KeyboardInterrupt):
                time.sleep(60)

    sent: list[float] = []

    def interrupt(_: Children) -> None:
        if "begun" in yard.log("one") and (not sent or time.monotonic() > sent[0] + 0.3):
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    (*_, ended), _ = yard.run(yard.job("one", work), meanwhile=interrupt)
    assert isinstance(ended, Ended)
    assert ended.problem == "interrupted, and killed"


def test_leaving_early_lets_jobs_undo_their_work(yard: Yard) -> None:
    def work(tell: Tell) -> None:
        try:
            tell("begun")
            time.sleep(60)
        finally:
            tell("undone")

    with pytest.raises(LaunchError), Children() as children:  # noqa: PT012 - what is raised comes while it runs
        children.start(yard.job("one", work))
        while "begun" not in yard.log("one"):
            children.wait()
        raise LaunchError("something else")
    assert "undone" in yard.log("one")


def test_leaving_early_leaves_nothing_behind(yard: Yard) -> None:
    pids: list[int] = []

    def leave() -> None:
        with Children() as children:
            children.start(
                yard.job("one", [sys.executable, "-uc", "import os, time; print(os.getpid()); time.sleep(60)"])
            )
            while not yard.log("one").strip():
                children.wait()
            pids.append(int(yard.log("one")))
            raise LaunchError("something else")

    with pytest.raises(LaunchError):
        leave()
    assert not Path(f"/proc/{pids[0]}").exists()


def test_jobs_are_stopped_if_their_parent_is_killed(yard: Yard) -> None:
    def work(tell: Tell) -> None:
        try:
            tell("begun")
            time.sleep(60)
        finally:
            tell("undone")

    parent = os.fork()
    if parent == 0:
        with Children() as children:
            children.start(yard.job("one", work))
            while True:
                children.wait()
    until = time.monotonic() + 60
    while not (yard.path / "one.log").exists() or "begun" not in yard.log("one"):
        assert time.monotonic() < until
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    while "undone" not in yard.log("one"):
        assert time.monotonic() < until


def test_two_parents_that_begin_the_same_job_both_have_a_log(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.run(yard.job("one", lambda tell: tell("before")))
    others: list[Path] = []
    replace = Path.replace

    def late(self: Path, target: Path) -> Path:
        moved = replace(self, target)
        if not others:
            others.append(self)
            self.write_text("the other's\n")
        return moved

    monkeypatch.setattr(Path, "replace", late)
    assert yard.one(["/bin/sh", "-c", "echo ours"]).log == yard.path / "one.log"
    assert others == [yard.path / "one.log"]
    assert (yard.log("one"), (yard.path / "one.log.1").read_text()) == ("ours\n", "the other's\n")


@pytest.mark.parametrize(("moves", "where"), [(0, "one.log"), (1, "one.log.1"), (2, None)])
def test_a_job_keeps_its_output_if_its_log_is_renamed(yard: Yard, moves: int, where: str | None) -> None:
    def take(_: Children) -> None:
        log = yard.path / "one.log"
        if "ours" in log.read_text():
            for _move in range(moves):
                log.replace(yard.path / "one.log.1")
                log.write_text("the other's\n")
            (yard.path / "go").touch()

    script = 'echo ours; until [ -e "$0" ]; do sleep 0.02; done; exit 3'
    job = yard.job("one", ["/bin/sh", "-c", script, str(yard.path / "go")])
    (ended,), _ = yard.run(job, meanwhile=take)
    assert isinstance(ended, Ended)
    assert (ended.tail, ended.log) == (("ours",), yard.path / where if where else None)


def test_an_unwritable_log_is_reported(yard: Yard) -> None:
    yard.path.parent.write_text("")
    with Children() as children, pytest.raises(HostError, match=r"up-all/one\.log: cannot be written: Not a directory"):
        children.start(yard.job("one", lambda _: None))

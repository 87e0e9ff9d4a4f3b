"""Processes of one's own: what they say, how they end, and who ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import HostError, LaunchError
from kharness.host.children import CHUNK, CHUNKS, Children, Ended, Event, Told
from kharness.host.forked import Job, Tell, Work

# Workers of pytest-xdist have a second thread, which newer Pythons warn of.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


class Yard:
    """Runs jobs to their end, one log each."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log(self, name: str) -> str:
        return (self.path / f"{name}.log").read_text()

    def job(self, name: str, work: Work | Sequence[str], *, timeout: float = 20) -> Job:
        return Job(name=name, work=work, log=self.path / f"{name}.log", timeout=timeout)

    def run(
        self, *jobs: Job, grace: float = 10, meanwhile: Callable[[Children], object] = lambda _: None
    ) -> tuple[list[Event], int | None]:
        found: list[Event] = []
        with Children(grace=grace) as children:
            for job in jobs:
                children.start(job)
            while children.running:
                found += children.wait()
                meanwhile(children)
            return found, children.signal

    def one(self, work: Work | Sequence[str], *, timeout: float = 20, grace: float = 10) -> Ended:
        (*_, ended), _ = self.run(self.job("one", work, timeout=timeout), grace=grace)
        assert isinstance(ended, Ended)
        return ended


def assert_gone(pid: int) -> None:
    until = time.monotonic() + 5
    with suppress(FileNotFoundError):
        while " Z " not in Path(f"/proc/{pid}/stat").read_text():
            assert time.monotonic() < until


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "output" / "up-all")


def test_what_it_returns_says_and_prints_arrives(yard: Yard) -> None:
    def work(tell: Tell) -> Any:
        tell("stopping")
        print("on its output")  # noqa: T201
        os.write(2, b"garbage \xff\x00\n")
        tell(" a detail")
        return {"name": "wéb", "pid": os.getpid()}

    events, _ = yard.run(yard.job("web", work))
    assert events[:2] == [Told(name="web", what="stopping"), Told(name="web", what=" a detail")]
    ended = events[2]
    assert isinstance(ended, Ended)
    assert (ended.problem, ended.value["name"], ended.value["pid"] != os.getpid()) == ("", "wéb", True)
    log = yard.path / "web.log"
    assert log.read_bytes() == b"stopping\non its output\ngarbage \xff\x00\na detail\n"
    assert (log.stat().st_mode & 0o777, log.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    yard.run(yard.job("web", lambda _: None))
    assert (yard.log("web"), (yard.path / "web.log.1").read_bytes().startswith(b"stopping")) == ("", True)


def test_they_run_at_the_same_time(yard: Yard) -> None:
    began = time.monotonic()
    events, _ = yard.run(*(yard.job(f"{number}", lambda _: time.sleep(0.5)) for number in range(4)))
    assert {event.name for event in events} == {"0", "1", "2", "3"}
    assert time.monotonic() - began < 1.5


def fail(_: Tell) -> None:
    raise LaunchError("web: no disk\n    | log")


def err(_: Tell) -> None:
    raise ZeroDivisionError("by nothing")


def vanish(_: Tell) -> None:
    os._exit(0)


def crash(_: Tell) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def told_by_others(_: Tell) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def unspeakable(_: Tell) -> object:
    return object()


@pytest.mark.parametrize(
    ("work", "problem", "logged"),
    [
        (fail, "web: no disk\n    | log", "web: no disk"),
        (err, "an error in kharness itself, which the log shows: ZeroDivisionError: by nothing", "Traceback"),
        (unspeakable, "an error in kharness itself, which the log shows: TypeError: ", "Traceback"),
        (told_by_others, "interrupted", "interrupted"),
        (vanish, "it ended without a word", ""),
        (crash, "it was ended by SIGUSR1", ""),
    ],
)
def test_how_it_fails_is_told(yard: Yard, work: Work, problem: str, logged: str) -> None:
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


def test_how_they_end_is_known_also_where_whoever_has_started_all_does_not_care(yard: Yard) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert yard.one(["/bin/sh", "-c", "exit 3"]).status == 3
        assert yard.one(lambda _: os.system("exit 3")).value == 3 << 8
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_at_its_deadline_it_may_put_things_back(yard: Yard) -> None:
    def work(tell: Tell) -> None:
        try:
            time.sleep(60)
        except KeyboardInterrupt as error:
            os.kill(os.getpid(), signal.SIGINT)  # it was told, and is not told again
            tell("undone")
            error.add_note("a volume is left")
            raise

    ended = yard.one(work, timeout=0.2)
    assert ended.problem == "it took longer than 0.2 s, and was stopped: a volume is left"
    assert (ended.stopped, yard.log("one")) == (True, "undone\ninterrupted\na volume is left\n")


def test_what_is_done_in_the_last_moment_is_done(yard: Yard) -> None:
    def work(_: Tell) -> str:
        with suppress(KeyboardInterrupt):
            time.sleep(60)
        return "decided"

    ended = yard.one(work, timeout=0.2)
    assert (ended.value, ended.problem, ended.stopped) == ("decided", "", False)
    ended = yard.one(["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"], timeout=0.2)
    assert (ended.status, ended.problem, ended.stopped) == (0, "", False)


@pytest.mark.parametrize("program", [False, True])
def test_what_does_not_end_is_killed_with_all_that_it_started(yard: Yard, program: bool) -> None:  # noqa: FBT001
    script = "trap '' TERM; sleep 50 & echo $!; wait; sleep 50"

    def work(_: Tell) -> None:
        while True:
            with suppress(KeyboardInterrupt):
                os.system(script)

    ended = yard.one(["/bin/sh", "-c", script] if program else work, timeout=0.3, grace=0.2)
    assert ended.problem == "it took longer than 0.3 s, and was stopped, and killed"
    assert 0.5 <= ended.seconds < 5
    assert_gone(int(yard.log("one").split()[0]))


@pytest.mark.parametrize("program", [False, True])
def test_what_is_stopped_leaves_nothing_that_it_started(yard: Yard, program: bool) -> None:  # noqa: FBT001
    script = "sleep 47 & echo $!; wait"

    def work(_: Tell) -> None:
        subprocess.Popen(["/bin/sh", "-c", script])
        time.sleep(60)

    ended = yard.one(["/bin/sh", "-c", script] if program else work, timeout=0.3)
    assert ended.problem == "it took longer than 0.3 s, and was stopped"
    assert ended.seconds < 5
    assert_gone(int(yard.log("one").split()[0]))


def test_what_is_done_may_leave_what_it_started(yard: Yard) -> None:
    assert yard.one(["/bin/sh", "-c", "sleep 47 & echo $!"]).status == 0
    pid = int(yard.log("one"))
    os.kill(pid, signal.SIGKILL)
    assert_gone(pid)


def test_a_long_answer_keeps_nobody_from_looking_at_the_time(yard: Yard) -> None:
    size = 30 << 20
    waits: list[float] = []
    began = time.monotonic()

    def look(_: Children) -> None:
        waits.append(time.monotonic() - began - sum(waits))

    (*_, ended), _ = yard.run(yard.job("one", lambda _: "x" * size), meanwhile=look)
    assert isinstance(ended, Ended)
    assert len(ended.value) == size
    assert max(waits) < 2
    assert len(waits) > size // (CHUNK * CHUNKS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_and_they_put_things_back(yard: Yard, number: signal.Signals) -> None:
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
    assert [event.what for event in events if isinstance(event, Told)].count("undone") == 2
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


def test_leaving_early_lets_them_put_things_back(yard: Yard) -> None:
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


def test_they_are_stopped_with_the_one_that_waits_for_them(yard: Yard) -> None:
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
    until = time.monotonic() + 10
    while not (yard.path / "one.log").exists() or "begun" not in yard.log("one"):
        assert time.monotonic() < until
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    while "undone" not in yard.log("one"):
        assert time.monotonic() < until


def test_two_that_begin_the_same_at_once_both_have_a_log(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_its_output_is_its_own_whoever_has_taken_the_name_of_its_log(yard: Yard, moves: int, where: str | None) -> None:
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


def test_a_log_that_cannot_be_written_is_told(yard: Yard) -> None:
    yard.path.parent.write_text("")
    with Children() as children, pytest.raises(HostError, match=r"up-all/one\.log: cannot be written: Not a directory"):
        children.start(yard.job("one", lambda _: None))

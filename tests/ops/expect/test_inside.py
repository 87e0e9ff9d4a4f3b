"""Expectations of the inside of a container of the fake: which hold, and the message of those that do not."""

from __future__ import annotations

import re

import pytest

from kharness.ops.expect.inside import expect_command, expect_file, expect_log, expect_process
from kharness.ops.session.instance import Instance, InstanceFacts
from kharness.plan.facts import ExecResult
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.readiness import ByRunning
from kharness.testing import FakeEngine
from tests.ops.expect.seen import QUICK, SECRET, why


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (ExecResult(0, "644 0 root 0 root\n", ""), "it exists"),
        (ExecResult(1, "", "stat: cannot statx '/x': Permission denied\n"), "Permission denied"),
        (ExecResult(126, "exec failed: stat: not found in $PATH", ""), "not found in $PATH"),
    ],
)
def test_a_file_is_absent_only_if_stat_reports_that(
    fake: FakeEngine, web: Instance, answer: ExecResult, seen: str
) -> None:
    fake.script = lambda _facts, _argv: answer
    assert seen in why(lambda: expect_file(web, "/x", exists=False, timeout=QUICK))


def test_an_absent_file_can_be_expected(fake: FakeEngine, web: Instance) -> None:
    fake.script = lambda _facts, _argv: ExecResult(1, "", "stat: can't stat '/x': No such file or directory\n")
    expect_file(web, "/x", exists=False, timeout=QUICK)


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ({"mode": 0o644}, "mode 640"),
        ({"owner": "root"}, "owner httpd (33)"),
        ({"group": "root"}, "group www (34)"),
        ({"texts": ("zebra",)}, "the text password = ***"),
        ({"mode": 0o640, "owner": "httpd", "group": "www", "texts": (re.compile("^pass"), "=")}, ""),
        ({"owner": "33", "group": "34"}, ""),
    ],
)
def test_a_file_has_mode_owner_group_and_contents(
    fake: FakeEngine, web: Instance, wanted: dict[str, object], seen: str
) -> None:
    said = {"stat": "640 33 httpd 34 www\n", "cat": f"password = {SECRET}"}
    fake.script = lambda _facts, argv: ExecResult(0, said[argv[0]], "")

    def look() -> None:
        expect_file(web, "/x", timeout=QUICK, **wanted)  # type: ignore[arg-type]

    if seen:
        assert why(look) == seen
    else:
        look()


def test_an_unreadable_file_does_not_count_as_empty(fake: FakeEngine, web: Instance) -> None:
    denied = ExecResult(1, "", "cat: /x: Permission denied\n")
    fake.script = lambda _facts, argv: denied if argv[0] == "cat" else ExecResult(0, "600 0 root 0 root\n", "")
    assert why(lambda: expect_file(web, "/x", texts=("a",), timeout=QUICK)) == "cat: /x: Permission denied"


def test_a_command_prints_on_either_stream(fake: FakeEngine, web: Instance) -> None:
    fake.script = lambda _facts, _argv: ExecResult(3, "out\n", "err\n")
    expect_command(web, ("x",), status=3, output=("out", re.compile("^err$", re.MULTILINE)), timeout=QUICK)
    assert why(lambda: expect_command(web, ("x",), status=3, stdout=("err",), timeout=QUICK)) == "the text out"
    assert why(lambda: expect_command(web, ("x",), timeout=QUICK)) == "exit status 3: err"


@pytest.mark.parametrize("name", ["httpd", "/usr/sbin/httpd", "nginx", "sh", "docker-init"])
def test_a_process_is_found_by_its_program(web: Instance, name: str) -> None:
    expect_process(web, name=name, timeout=QUICK)
    assert "' runs" in why(lambda: expect_process(web, name=name, running=False, timeout=QUICK))


@pytest.mark.parametrize("name", ["start-httpd", "old", "-p", "worker"])
def test_arguments_and_dead_processes_are_not_programs(web: Instance, name: str) -> None:
    expect_process(web, name=name, running=False, timeout=QUICK)
    assert "'nginx: worker process', '-sh'" in why(lambda: expect_process(web, name=name, timeout=QUICK))


def test_a_process_is_found_by_its_command_line(web: Instance) -> None:
    expect_process(web, command=re.compile(r"-p 80\b"), timeout=QUICK)
    expect_process(web, name="httpd", command="-f", timeout=QUICK)
    expect_process(web, name="nginx", command="-f", running=False, timeout=QUICK)


def test_a_line_of_the_log_is_waited_for(fake: FakeEngine, web: Instance) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        fake.say("web", "one\nlistening on 80\n")

    assert why(lambda: expect_log(web, seen="listening", timeout=QUICK)) == "the log is empty"
    expect_log(web, seen=re.compile("^listening .* 80$"), never="panic", timeout=5, sleep=sleep)
    assert len(naps) == 1
    assert why(lambda: expect_log(web, seen="x", timeout=QUICK)) == "2 lines, the last: listening on 80"


def test_a_forbidden_line_ends_the_wait_immediately(fake: FakeEngine, web: Instance) -> None:
    fake.say("web", f"one\npanic: {SECRET}\n")
    assert why(lambda: expect_log(web, seen="x", never="panic", timeout=60)) == "panic: ***"
    assert why(lambda: expect_log(web, never="panic", timeout=60)) == "panic: ***"


def test_a_forbidden_line_that_comes_later_is_found(fake: FakeEngine, web: Instance) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] > 2:
            fake.say("web", "panic")

    expect_log(web, never="panic", timeout=1.5, clock=lambda: now[0], sleep=sleep)
    assert now[0] == pytest.approx(1.5)
    seen = why(lambda: expect_log(web, never="panic", timeout=1.5, clock=lambda: now[0], sleep=sleep))
    assert seen == "panic"


def test_a_log_is_read_once_and_then_only_its_new_lines(fake: FakeEngine, web: Instance) -> None:
    """However many lines come between two looks, none is left out."""
    fake.say("web", "old\n" * 1000)
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        fake.say("web", "panic\n" + "new\n" * 300 if now[0] > 1 else "new\n")

    seen = why(lambda: expect_log(web, never="panic", timeout=1.5, clock=lambda: now[0], sleep=sleep))
    assert seen == "panic"
    assert len(list(fake.called("log_lines"))) > 3


def test_a_log_that_is_too_long_for_the_time_fails(fake: FakeEngine, web: Instance) -> None:
    fake.say("web", "line\n" * 2000)
    ticks = iter(range(10_000))
    seen = why(
        lambda: expect_log(web, never="panic", timeout=3, clock=lambda: float(next(ticks)), sleep=lambda _: None)
    )
    assert seen.startswith("a log that is too long: ")
    assert "'logging: {options: {max-size: 10m}}'" in seen


def test_a_log_that_is_not_stored_cannot_pass(fake: FakeEngine) -> None:
    image = fake.put_image("mute:1")
    container = fake.create(RunSpec(name="mute", image=image.id, log_driver="none"))
    fake.start(container)
    facts = InstanceFacts(name="mute", container="mute", id=container, image=image.id, mode="in-prod")
    mute = Instance(fake, facts, ready=ByRunning, ready_timeout=1.0)
    assert why(lambda: expect_log(mute, never="x", timeout=60)) == ("its log driver is none, so its log cannot be read")

"""Each kind of expectation against a container of the fake: what holds, and what is said when it does not."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from kharness.errors import ExpectationError
from kharness.ops.expect.command import expect_command
from kharness.ops.expect.file import expect_file
from kharness.ops.expect.log import expect_log
from kharness.ops.expect.process import expect_process
from kharness.ops.expect.tcp import expect_tcp
from kharness.ops.instance import Instance
from kharness.ops.instancefacts import InstanceFacts
from kharness.plan.facts import EngineFacts, ExecResult, PortRef
from kharness.plan.readiness import ByRunning
from kharness.plan.runspec import RunSpec
from kharness.testing import FakeEngine

SECRET = "hunter2-hunter2"
"""A value that no message may show."""
QUICK = 0.0
"""Seconds: one look, because nothing changes."""


@pytest.fixture
def fake() -> FakeEngine:
    # Remote, so that sockets are looked at with what the fake says.
    return FakeEngine(facts=EngineFacts(id="fake", local=False))


@pytest.fixture
def web(fake: FakeEngine) -> Instance:
    labels = {"fake.processes": f"/usr/sbin/httpd -f -p 80 -k {SECRET}\n[old] <defunct>\nnginx: worker process\n-sh"}
    image = fake.put_image("web:1", labels=labels, command=("/sbin/docker-init", "--", "start-httpd"))
    container = fake.create(RunSpec(name="web", image=image.id, expose=(PortRef(80),)))
    fake.start(container)
    facts = InstanceFacts(
        name="web", container="web", id=container, image=image.id, mode="standalone", address="127.0.0.1"
    )
    return Instance(fake, facts, ready=ByRunning, ready_timeout=1.0, secrets=(SECRET,))


def why(expectation: Callable[[], object]) -> str:
    """Return what was seen instead of what is expected."""
    with pytest.raises(ExpectationError) as caught:
        expectation()
    assert "hunter2" not in str(caught.value)
    return str(caught.value).partition("seen: ")[2]


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (ExecResult(0, "644 0 root 0 root\n", ""), "it exists"),
        (ExecResult(1, "", "stat: cannot statx '/x': Permission denied\n"), "Permission denied"),
        (ExecResult(126, "exec failed: stat: not found in $PATH", ""), "not found in $PATH"),
    ],
)
def test_a_file_is_absent_only_where_that_is_known(
    fake: FakeEngine, web: Instance, answer: ExecResult, seen: str
) -> None:
    fake.script = lambda _facts, _argv: answer
    assert seen in why(lambda: expect_file(web, "/x", exists=False, timeout=QUICK))


def test_a_file_that_is_absent_is_expected_to_be(fake: FakeEngine, web: Instance) -> None:
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


def test_a_file_that_cannot_be_read_is_not_taken_for_an_empty_one(fake: FakeEngine, web: Instance) -> None:
    denied = ExecResult(1, "", "cat: /x: Permission denied\n")
    fake.script = lambda _facts, argv: denied if argv[0] == "cat" else ExecResult(0, "600 0 root 0 root\n", "")
    assert why(lambda: expect_file(web, "/x", texts=("a",), timeout=QUICK)) == "cat: /x: Permission denied"


def test_a_command_prints_on_either_stream(fake: FakeEngine, web: Instance) -> None:
    fake.script = lambda _facts, _argv: ExecResult(3, "out\n", "err\n")
    expect_command(web, ("x",), status=3, output=("out", re.compile("^err$", re.MULTILINE)), timeout=QUICK)
    assert why(lambda: expect_command(web, ("x",), status=3, stdout=("err",), timeout=QUICK)) == "the text out"
    assert why(lambda: expect_command(web, ("x",), timeout=QUICK)) == "exit status 3: err"


def test_a_port_that_somebody_else_answers_on_is_not_the_containers(web: Instance) -> None:
    # The fake's address is this machine's: a connection would succeed wherever something of ours listens.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen = why(lambda: expect_tcp(web, port, timeout=QUICK))
        assert seen == "nothing listens there inside the container"
        expect_tcp(web, port, listens=False, timeout=QUICK)


def test_a_port_that_listens_inside_must_be_reached_too(fake: FakeEngine, web: Instance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        _listens(fake, port)
        expect_tcp(web, port, timeout=QUICK)
    assert "something listens there, but 127.0.0.1:" in why(lambda: expect_tcp(web, port, timeout=QUICK))
    assert why(lambda: expect_tcp(web, port, listens=False, timeout=QUICK)) == "something listens there"


def test_a_port_of_a_container_that_nobody_can_look_into_is_not_known(fake: FakeEngine, web: Instance) -> None:
    fake.script = lambda _facts, _argv: ExecResult(126, "", "no cat\n")
    for listens in (True, False):
        seen = why(lambda listens=listens: expect_tcp(web, 80, listens=listens, timeout=QUICK))  # type: ignore[misc]
        assert seen == "web: its sockets cannot be listed: no cat"


@pytest.mark.parametrize("name", ["httpd", "/usr/sbin/httpd", "nginx", "sh", "docker-init"])
def test_a_process_is_known_by_its_program(web: Instance, name: str) -> None:
    expect_process(web, name=name, timeout=QUICK)
    assert "' runs" in why(lambda: expect_process(web, name=name, running=False, timeout=QUICK))


@pytest.mark.parametrize("name", ["start-httpd", "old", "-p", "worker"])
def test_an_argument_or_a_dead_process_is_no_program(web: Instance, name: str) -> None:
    expect_process(web, name=name, running=False, timeout=QUICK)
    assert "'nginx: worker process', '-sh'" in why(lambda: expect_process(web, name=name, timeout=QUICK))


def test_a_process_is_known_by_its_command_line(web: Instance) -> None:
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


def test_a_line_that_never_should_be_ends_the_wait_at_once(fake: FakeEngine, web: Instance) -> None:
    fake.say("web", f"one\npanic: {SECRET}\n")
    assert why(lambda: expect_log(web, seen="x", never="panic", timeout=60)) == "panic: ***"
    assert why(lambda: expect_log(web, never="panic", timeout=60)) == "panic: ***"


def test_a_line_that_comes_while_it_is_watched_is_seen(fake: FakeEngine, web: Instance) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] > 2:
            fake.say("web", "panic")

    expect_log(web, never="panic", timeout=1.5, clock=lambda: now[0], sleep=sleep)
    assert now[0] == pytest.approx(1.5)
    seen = why(lambda: expect_log(web, never="panic", timeout=1.5, clock=lambda: now[0], sleep=sleep))
    assert seen == "panic"


def test_a_log_that_nobody_can_read_has_no_lines_that_are_expected_not_to_be(fake: FakeEngine) -> None:
    image = fake.put_image("mute:1")
    container = fake.create(RunSpec(name="mute", image=image.id, log_driver="none"))
    fake.start(container)
    facts = InstanceFacts(name="mute", container="mute", id=container, image=image.id, mode="in-prod")
    mute = Instance(fake, facts, ready=ByRunning, ready_timeout=1.0)
    assert why(lambda: expect_log(mute, never="x", timeout=60)) == (
        "its log driver is none, so nobody can read what it writes"
    )


def _listens(fake: FakeEngine, port: int) -> None:
    [box] = fake.boxes.values()
    box.image = replace(box.image, labels={"fake.listens": str(port)})

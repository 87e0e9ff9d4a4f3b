"""Instances of the library in a project without container directories, and what is left when it is stopped."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from tests.plugin.neighbours import Target, probe, server
from tests.plugin.sessions import as_machine
from tests.projects import Project

pytestmark = pytest.mark.engine

CONFTEST = """\
    import pytest
    from kharness import instance_fixture

    box = instance_fixture({image!r}, settings={{"command": ["sh", "-c", "echo up; sleep 600"], "init": True}})
    own = instance_fixture(
        {image!r}, scope="function", settings={{"command": ["sh", "-c", "echo own; sleep 600"], "init": True}}
    )
    broken = instance_fixture({image!r}, settings={{"command": ["sh", "-c", "echo no; exit 3"], "expose": [1]}})
    wrong = instance_fixture({image!r}, settings={{"comand": ["x"]}})

    @pytest.fixture
    def client(box):
        return box.name
"""
TESTS = """\
    def test_direct(box):
        assert 0

    def test_through_another_fixture(client):
        assert 0

    def test_two(box, own):
        assert 0

    def test_unconcerned():
        assert 0

    def test_good(box, own):
        assert box.id != own.id

    def test_broken(broken):
        pass

    def test_wrong(wrong):
        pass
"""
SCRIPT = """\
    import pathlib, time
    import kharness

    with kharness.instance({image!r}, settings={{"command": ["sleep", "600"], "init": True}}) as box:
        pathlib.Path("running").write_text(box.facts.container)
        time.sleep({seconds})
"""


@pytest.fixture
def plain(project: Project) -> Project:
    (project.path / "pyproject.toml").write_text("")
    return project


def write(project: Project, name: str, text: str, **values: object) -> None:
    (project.path / name).write_text("".join(line[4:] for line in text.format(**values).splitlines(keepends=True)))


def left(engine: Engine, container: str) -> list[str]:
    session = container.rpartition("-")[2]
    found = [each.name for each in engine.containers() if session in each.name]
    return found + [each.name for each in engine.networks() if session in each.name]


@pytest.mark.parametrize("args", [(), ("-n", "2")], ids=["alone", "workers"])
def test_each_failure_has_the_bundle_of_the_containers_it_worked_with(
    plain: Project, busybox: str, args: tuple[str, ...]
) -> None:
    write(plain, "conftest.py", CONFTEST, image=busybox)
    write(plain, "test_it.py", TESTS.replace("{", "{{").replace("}", "}}"))
    result = plain.pytest(*args)
    assert result.outcomes() == {"failed": 4, "passed": 1, "error": 2}, result.output
    parts = re.split(r"^_+ (?:ERROR at setup of )?(test_\w+) _+$", result.output, flags=re.MULTILINE)
    said = dict(zip(parts[1::2], parts[2::2], strict=True))
    logs = {test: len(re.findall(r"^-+ log of test-", text, re.MULTILINE)) for test, text in said.items()}
    bundles = {"test_direct": 1, "test_through_another_fixture": 1, "test_two": 2, "test_unconcerned": 0}
    assert logs == {**bundles, "test_broken": 0, "test_wrong": 0}
    assert "exited with 3 instead of becoming ready" in said["test_broken"]
    assert "| no" in said["test_broken"]
    assert "comand" in said["test_wrong"]
    assert "did you mean 'command'" in said["test_wrong"]
    assert "Traceback" not in said["test_wrong"]


def test_it_reaches_nobody_and_sees_no_production_label(plain: Project, busybox: str) -> None:
    with server() as port:
        targets = {"itself": Target("127.0.0.1", 7000), "host": Target("OWN-GATEWAY", port)}
        write(plain, "test_it.py", ISOLATED, image=busybox, script=probe(targets, seconds=1))
        result = plain.pytest()
    assert result.status == 0, result.output


ISOLATED = """\
    import ipaddress
    import kharness

    SERVE = ["nc", "-ll", "-p", "7000", "-e", "echo", "somebody-is-here"]

    def test_it():
        with kharness.instance({image!r}, settings={{"command": SERVE, "expose": [7000], "init": True}}) as box:
            prefix = next(iter(box.inspect()["NetworkSettings"]["Networks"].values()))["IPPrefixLen"]
            gateway = str(ipaddress.ip_interface(f"{{box.address}}/{{prefix}}").network[1])
            script = {script!r}.replace("OWN-GATEWAY", gateway)
            assert box.exec("sh", "-c", script).stdout.split() == ["itself"]
            assert box.inspect()["HostConfig"]["RestartPolicy"]["Name"] in {{"", "no"}}
"""


@contextmanager
def running(project: Project, *, machine: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    mark = project.path / "running"
    mark.unlink(missing_ok=True)
    command = [*as_machine(machine), sys.executable, "script.py"]
    process = subprocess.Popen(command, cwd=project.path, env=project.environ, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    try:
        while not (mark.exists() and mark.read_text()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def test_an_interrupted_program_leaves_nothing(plain: Project, busybox: str, engine: Engine) -> None:
    write(plain, "script.py", SCRIPT, image=busybox, seconds=60)
    with running(plain) as process:
        container = (plain.path / "running").read_text()
        assert len(left(engine, container)) == 2
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)
    assert left(engine, container) == []


def test_what_a_killed_program_left_goes_with_the_next_one(
    plain: Project, busybox: str, engine: Engine, tmp_path: Path
) -> None:
    if os.geteuid() != 0 or not Path("/etc/machine-id").exists():
        pytest.skip("a program is killed on a machine of its own, which root makes with unshare(1) and a machine id")
    machine = tmp_path / "machine-id"
    machine.write_text(secrets.token_hex(16) + "\n")
    write(plain, "script.py", SCRIPT, image=busybox, seconds=60)
    with running(plain, machine=machine) as process:
        container = (plain.path / "running").read_text()
        process.kill()
    assert len(left(engine, container)) == 2
    write(plain, "script.py", SCRIPT, image=busybox, seconds=0)
    with running(plain, machine=machine) as process:
        process.wait(timeout=120)
    assert left(engine, container) == []

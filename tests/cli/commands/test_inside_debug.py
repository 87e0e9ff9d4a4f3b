"""A look into a container of production that has neither shell nor tools."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kharness.cli.commands.inside import debug_command
from kharness.engine.api import BuildRequest, Engine
from kharness.plan.facts import ContainerFacts
from tests.cli.here import here
from tests.cli.terminal import Terminal
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project
from tests.rootfs import context, without_shell

BARE = """\
    image: {image}
    environment: {{SECRET: hush}}
    user: "1234"
    read_only: true
    cap_drop: [ALL]
    security_opt: [no-new-privileges:true]
    pids_limit: 8
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Project]:
    with temporary_project(tmp_path_factory.mktemp("debug"), engine) as project:
        name = project.name("bare")
        image = f"{REPOSITORY}/{name}:live"
        engine.import_image([without_shell()], image, changes=['CMD ["/sleep", "600"]'])
        project.add("bare", {"settings.yaml": BARE.format(image=image)})
        assert here(project, "up", name).status == 0
        yield project


def production(project: Project, engine: Engine) -> ContainerFacts:
    found = engine.container(project.name("bare"))
    assert found is not None
    return found


def helpers(project: Project, engine: Engine) -> list[ContainerFacts]:
    found = engine.containers(labels={"kharness.name": project.name("bare"), "kharness.role": "test"})
    return [each for each in found if "-debug-" in each.name]


def state(project: Project, engine: Engine) -> tuple[Any, ...]:
    """Return all that could show that it was touched."""
    found = production(project, engine)
    return found, engine.diff(found.id), engine.logs(found.id), found.raw["Config"], found.raw["HostConfig"]


def test_it_sees_processes_files_and_network_and_changes_nothing(bare: Project, engine: Engine, busybox: str) -> None:
    name, before = bare.name("bare"), state(bare, engine)
    words = ["-m", "kharness", "debug", name, "--image", busybox]
    with Terminal([sys.executable, *words], cwd=bare.path, environ=bare.environ) as person:
        person.until("its files are below /proc/1/root")
        person.until("# ")
        person.type("ls /proc/1/root; cat /proc/1/cmdline; tr '\\0' '\\n' </proc/1/environ | grep SECRET\n")
        person.until(r"sleep(.|\n)*/sleep(.|\n)*SECRET=hush\r\n")
        person.type('for n in pid ipc net; do test -n "$(readlink /proc/1/ns/$n)" && readlink /proc/$$/ns/$n; done\n')
        shown = person.until(r"pid:\[\d+\]\r\nipc:\[\d+\]\r\nnet:\[\d+\]\r\n")
        ours = [line for line in shown.splitlines() if line.startswith(("pid:[", "ipc:[", "net:["))]
        theirs = [str(Path(f"/proc/{before[0].pid}/ns/{kind}").readlink()) for kind in ("pid", "ipc", "net")]
        assert ours == theirs
        [helper] = helpers(bare, engine)
        assert engine.container(helper.id)
        person.type("exit 4\n")
        assert person.end() == 4
    assert helpers(bare, engine) == []
    assert state(bare, engine) == before


def test_a_command_runs_instead_of_a_shell(bare: Project, engine: Engine, busybox: str) -> None:
    name, before = bare.name("bare"), state(bare, engine)
    done = bare.kharness("debug", "--image", busybox, name, "ps", "-o", "pid,args")
    assert done.status == 0, done.output
    assert "1 /sbin/docker-init" in done.output or "1 /sleep 600" in done.output
    words = here(bare, "debug", name, "-i", busybox, "--dry-run", "id", "-u").output
    assert "--cap-drop ALL --cap-add SYS_PTRACE --cap-add SYS_ADMIN" in words
    assert words.rstrip().endswith("--ipc -- id -u")
    assert here(bare, "debug", name, "-i", f"{REPOSITORY}/none:1", "id").status == 1
    assert state(bare, engine) == before


def test_processes_are_listed_with_an_image_that_has_no_ps(bare: Project, engine: Engine, busybox: str) -> None:
    name, before = bare.name("bare"), state(bare, engine)
    tools = f"{REPOSITORY}/{name}:latest"
    dockerfile = f"FROM {busybox}\nRUN rm -f $(which ps)\n"
    engine.build([context(dockerfile)], BuildRequest(tag=tools))
    for typed in (("ps", "-ef"), ("ps | grep sleep; exit 0",)):
        done = bare.kharness("debug", "--image", tools, name, *typed)
        assert done.status == 0, done.output
        assert re.search(r"^ +\d+ +1234 /sleep 600", done.output, re.MULTILINE), done.output
    done = here(bare, "debug", name, "--image", tools, "strace", "-p", "1")
    assert done.status == 1
    assert f"image {tools} has no program strace; --image names another one" in done.output
    assert (helpers(bare, engine), state(bare, engine)) == ([], before)


def test_what_outlives_a_killed_client_is_reaped(bare: Project, engine: Engine, busybox: str) -> None:
    command = [sys.executable, "-m", "kharness", "debug", bare.name("bare"), "-i", busybox, "sleep", "300"]
    with subprocess.Popen(command, cwd=bare.path, env=bare.environ, stdin=subprocess.PIPE) as client:
        deadline = time.monotonic() + 120
        while not any(each.running for each in helpers(bare, engine)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert here(bare, "reap").status == 0
        assert helpers(bare, engine)
        client.send_signal(signal.SIGKILL)
    before = state(bare, engine)
    # Any other session on this engine may have been quicker.
    assert here(bare, "reap").status == 0
    assert helpers(bare, engine) == []
    assert state(bare, engine) == before


@pytest.mark.parametrize(
    ("words", "name", "image", "rest"),
    [
        (["web"], "web", None, ()),
        (["web", "-i", "x", "ps", "-ef"], "web", "x", ("ps", "-ef")),
        (["web", "--image=x", "ps", "--image", "y"], "web", "x", ("ps", "--image", "y")),
        (["--image", "x", "web", "ps"], "web", "x", ("ps",)),
        (["web", "--", "-x"], "web", None, ("--", "-x")),
    ],
)
def test_options_may_stand_on_either_side_of_the_name(
    words: list[str], name: str, image: str | None, rest: tuple[str, ...]
) -> None:
    found = debug_command.make_context("debug", list(words)).params
    assert (found["name"], found["image"], found["words"]) == (name, image, rest)

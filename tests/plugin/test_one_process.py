"""Sessions that must not hang, act twice, repeat themselves, or let a container's output move the cursor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kharness.engine.api import Engine
from kharness.host.state.state import State
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project, said

pytestmark = pytest.mark.engine

SETTINGS = """\
image: {busybox}
command: [sh, -c, 'printf "evil \\033[2J\\033]0;title\\007\\033[31mred\\033[0m\\n"; exec sleep 600']
init: true
stop_grace_period: 1s
expect: {{process: [{{name: sleep}}]}}
"""
FORK = """\
import os
import pytest

@pytest.fixture(scope="session", autouse=True)
def torn_down(container):
    yield
    with open(os.environ["MARK"], "a") as mark:
        mark.write(f"{os.getpid()}\\n")

def test_fork(container):
    os.fork()

def test_after(container):
    assert container.is_running
"""
FAILS = "def test_it(container):\n    print(container.logs())\n    assert 0, container.logs()\n"
MANY = "import pytest\n\n@pytest.mark.parametrize('n', range(80))\ndef test_it(container, n):\n    assert container\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Project]:
    with temporary_project(tmp_path_factory.mktemp("one"), engine) as found:
        yield found


def test_a_fork_that_comes_back_decides_nothing(project: Project, engine: Engine, busybox: str) -> None:
    mark = project.path / "mark"
    directory = project.add("fork", {"settings.yaml": SETTINGS.format(busybox=busybox), "test_fork.py": FORK})
    done = project.pytest(str(directory), "--ready", "--promote", "-s", environ={"MARK": str(mark)})
    assert "test_fork.py::test_fork: a process that it forked came back into pytest, and was ended" in said(done)
    assert done.output.count(f"{directory.name}: image ") == 1
    assert done.outcomes()["passed"] == 3
    assert len(mark.read_text().splitlines()) == 1
    assert engine.image(f"{REPOSITORY}/{directory.name}:live") is not None
    (path,) = project.path.glob("state/engines/*/state.db")
    assert [row.kind for row in State(path, project=project.project).releases(directory.name)] == ["promote"]


def test_what_only_shows_tests_launches_nothing_and_ends(project: Project, engine: Engine, busybox: str) -> None:
    directory = project.add("plan", {"settings.yaml": SETTINGS.format(busybox=busybox), "test_fork.py": FORK})
    for option in ("--setup-plan", "--fixtures-per-test"):
        done = project.pytest(str(directory), "--ready", option, timeout=60)
        assert done.status == 0, done.output
        assert "launching a test instance" not in done.output
    refused = project.pytest(str(directory), "--ready", "--promote", "--setup-plan")
    assert "--promote and --setup-plan exclude each other" in said(refused, pytest.ExitCode.USAGE_ERROR)
    assert engine.image(f"{REPOSITORY}/{directory.name}:latest") is None


def test_what_a_container_writes_moves_nothing_on_a_terminal(project: Project, busybox: str) -> None:
    directory = project.add("evil", {"settings.yaml": SETTINGS.format(busybox=busybox), "test_it.py": FAILS})
    done = said(project.pytest(str(directory), "--ready", "--color=yes"), 1)
    assert done.count("evil \\x1b[2J\\x1b]0;title\\x07") >= 2
    assert "\x1b[2J" not in done
    assert "\x1b]0;" not in done


def test_a_cause_that_many_tests_share_is_told_once(project: Project, busybox: str) -> None:
    settings = f"image: {busybox}\ncommand: [sh, -c, 'echo the only cause; exit 3']\n"
    directory = project.add("many", {"settings.yaml": settings, "test_it.py": MANY})
    done = said(project.pytest(str(directory), "--ready"), 1)
    assert "1 error, 79 not launched in " in done
    assert len(done.splitlines()) < 50
    assert done.count("the only cause") == 1
    assert "(the first test's report has all of it)" in done

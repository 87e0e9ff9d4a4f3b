"""Commands that start sessions believe the verdict that a session wrote, and not its exit status."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.host.state.state import State
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project, said

pytestmark = pytest.mark.engine

SETTINGS = "image: {busybox}\ncommand: [sleep, '600']\ninit: true\nautostart: 1\nrelease: {{verify_for: 100ms}}\n"
GOOD = "def test_it(container):\n    assert container.is_running\n"
ZERO = "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n"
REMARKABLE = """\
import unittest
import pytest

def test_it(container):
    assert container.is_running

@pytest.mark.xfail
def test_mark():
    assert 0

def test_call():
    pytest.xfail("not today")

class TestOld(unittest.TestCase):
    @unittest.expectedFailure
    def test_old(self):
        assert 0

@pytest.mark.prod_ready
def test_data():
    assert 0

@pytest.mark.in_prod
def test_production(container):
    assert container.is_running
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[Project]:
    """`exits` ends its process with 0, a hook of `zero` sets the status to 0, `good` passes."""
    with temporary_project(tmp_path_factory.mktemp("verdicts"), engine) as found:
        settings = SETTINGS.format(busybox=busybox)
        verify = "healthcheck: {test: [CMD, 'true']}\n"
        exits = "import os\n\ndef test_it(container):\n    os._exit(0)\n"
        found.add("exits", {"settings.yaml": settings + verify, "test_it.py": exits})
        zero = {"test_it.py": "def test_it(container):\n    assert 0, 'never'\n", "conftest.py": ZERO}
        found.add("zero", {"settings.yaml": settings + verify, **zero})
        found.add("good", {"settings.yaml": settings + verify, "test_it.py": GOOD})
        yield found


def values(project: Project, command: str) -> dict[str, tuple[str, str]]:
    done = project.run("sh", "-c", f"{sys.executable} -m kharness {command} --json 2>/dev/null")
    assert done.status == 1, done.output
    prefix = len(project.prefix)
    return {each["name"][prefix:]: (each["result"], each["text"]) for each in json.loads(done.output)["containers"]}


def live(project: Project, engine: Engine, short: str) -> bool:
    return engine.image(f"{REPOSITORY}/{project.name(short)}:live") is not None


def test_an_end_without_a_verdict_is_a_failure_of_its_container(project: Project, engine: Engine) -> None:
    found = values(project, "upgrade-all --keep-going")
    assert found["good"] == ("done", "upgraded")
    assert found["zero"] == ("failed", "a test failed, or what was asked for was refused")
    assert found["exits"][0] == "failed"
    assert "before the session had decided anything" in found["exits"][1]
    assert [short for short in ("exits", "zero", "good") if live(project, engine, short)] == ["good"]
    assert not list(Path(project.path).glob("state/**/*.result"))


def test_a_command_for_one_container_fails_as_well(project: Project) -> None:
    exits = project.kharness("test", project.name("exits"))
    assert "the session had decided anything, so nothing was verified" in said(exits, 1)
    zero = project.kharness("upgrade", project.name("zero"))
    assert "never" in said(zero, 1)
    for options in (("--collect-only", "-q"), ("--", "--version")):
        assert said(project.kharness("test", project.name("good"), *options))


def test_what_a_release_leaves_untested_is_named_counted_and_recorded(project: Project, busybox: str) -> None:
    """And `upgrade` runs it; then a test is gone, and `gate.fewer` refuses that."""
    name = project.name("remark")
    directory = project.add("remark", {"settings.yaml": SETTINGS.format(busybox=busybox), "test_it.py": REMARKABLE})
    done = said(project.pytest(str(directory), "--ready", "--promote"))
    xfail = (
        "xfail: 3 tests failed as expected: test_it.py::test_mark, test_it.py::test_call, test_it.py::TestOld::test_old"
    )
    unrun = "unrun: 1 test marked for another mode did not run: test_it.py::test_data"
    assert f"  note: {xfail}\n  note: {unrun}\n" in done
    (path,) = project.path.glob("state/engines/*/state.db")
    assert [row.note for row in State(path, project=project.project).releases(name)] == [f"{xfail}; {unrun}"]
    upgraded = project.kharness("upgrade", name)
    assert "1 test failed: test_it.py::test_data" in said(upgraded, 1)
    (directory / "test_it.py").write_text(GOOD)
    fewer = "fewer: 5 tests of the last release no longer there: test_it.py::TestOld::test_old, "
    assert f"  note: {fewer}" in said(project.pytest(str(directory), "--ready"))
    with (directory / "settings.yaml").open("a") as file:
        file.write("gate: {fewer: refuse}\n")
    refused = said(project.pytest(str(directory), "--ready", "--promote"), 1)
    assert f"  - {fewer}" in refused
    assert "(refused by gate.fewer)" in refused

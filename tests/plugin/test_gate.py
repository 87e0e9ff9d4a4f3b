"""Sessions in which not everything ran and passed: nothing becomes live, and the exit status says so."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from kharness.engine.api import Engine
from kharness.host.state.state import State
from tests.plugin.conftest import add_web
from tests.projects import REPOSITORY, Project

pytestmark = pytest.mark.engine

GOOD = """\
    import os
    import pytest

    def test_a(http):
        assert http.get("/").text == "hello\\n"

"""
SUBTEST = """\
    def test_b(subtests):
        with subtests.test():
            pytest.skip("no")
"""
TWINS = """\
    import pytest

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(collector, name):
        found = yield
        if name != "test_a":
            return found
        return [pytest.Function.from_parent(collector, name=name, callobj=lambda: pytest.skip("no")), *found]
"""


DROPS = """\
    import pytest

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(collector, name):
        found = yield
        return [] if name == "test_b" else found
"""


class Case(NamedTuple):
    """What is in the test file beside one good test, what is said, and what the session answers."""

    tests: str = ""
    args: tuple[str, ...] = ()
    conftest: str = ""
    told: str = ""
    ini: str = ""


ZERO = """\
    import pytest

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(session):
        session.exitstatus = 0
"""
EXIT = """\
    import sys

    def pytest_sessionfinish(session):
        sys.exit(0)
"""
FAILS = "    def test_b(): assert 0\n"
HELD = "a hook set the exit status to 0, but what was asked for was not done"
CASES = {
    "python_functions": Case("    def test_b(): assert 0\n", ("-o", "python_functions=test_a"), told="-o python_func"),
    "exit": Case("    def test_b(): pytest.exit('x', returncode=0)\n"),
    "not-run": Case("    @pytest.mark.xfail(run=False)\n    def test_b(): assert 0\n", told="1 test skipped"),
    "skipped-part": Case(SUBTEST, told="1 test skipped"),
    "twins": Case(conftest=TWINS, told="share a node id"),
    "collect-only": Case(args=("--collect-only",), told="exclude each other"),
    "dead": Case(
        "    def test_b(container): container.kill()\n",
        told="after its last test the test instance exited with 137",
    ),
    "ini-files": Case(
        FAILS, ini="python_files = check_*.py", told="collected from test_web.py (python_files = check_*.py"
    ),
    "ini-functions": Case(
        FAILS, ini="python_functions = test_a", told="1 test not collected: test_web.py::test_b (python"
    ),
    "dropped-by-hook": Case(FAILS, conftest=DROPS, told="1 test not collected: test_web.py::test_b"),
    "status-zero": Case(FAILS, conftest=ZERO, told=HELD),
    "status-exit": Case(FAILS, conftest=EXIT, told=HELD),
    "changed-early": Case("    open(__file__, 'a').write('#')\n", told="changed after the session began"),
}
IN_PROD = {
    "skip": "pytest.skip('no')",
    "exit": "pytest.exit('x', returncode=0)",
    "os-exit": "os._exit(0)",
    "xfail": "pytest.xfail('no')",
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_nothing_becomes_live(project: Project, engine: Engine, busybox: str, case: Case) -> None:
    directory = add_web(project, busybox, tests=GOOD + case.tests)
    if case.conftest:
        project.add("web", {"conftest.py": case.conftest})
    if case.ini:
        with (project.path / "pytest.ini").open("a") as file:
            file.write(f"{case.ini}\n")
    result = project.pytest(str(directory), "--ready", "--promote", *case.args)
    assert result.status != 0, result.output
    assert case.told in result.output
    assert engine.image(f"{REPOSITORY}/{directory.name}:live") is None


@pytest.mark.parametrize("workers", ["0", "1"])
def test_the_last_line_of_a_session_that_was_refused_is_red(
    project: Project, engine: Engine, busybox: str, workers: str
) -> None:
    directory = add_web(project, busybox, tests=f"{GOOD}    def test_b(): pass\n")
    # Hypothesis's plugin is one that looks into all that is counted.
    more = ("--color=yes", "-n", workers, "-o", "addopts=--import-mode=importlib")
    done = project.pytest(str(directory), "--ready", "--promote", "-k", "test_a", *more)
    assert done.status == 1, done.output
    last = done.output.splitlines()[-1]
    # Where colours begin and end within it is pytest's business.
    plain = re.sub(r"\x1b\[\d+m", "", last)
    # Workers do not report what was deselected.
    assert re.search(r"=+ 1 passed,( 1 deselected,)? 1 refused in [\d.]+s", plain), last
    assert last.startswith("\x1b[31m=")
    assert engine.image(f"{REPOSITORY}/{directory.name}:live") is None
    good = project.pytest(str(directory), "--ready", "--promote", *more)
    assert good.output.splitlines()[-1].startswith("\x1b[32m="), good.output
    assert "refused" not in good.output


def test_a_test_that_passes_at_its_second_try_is_recorded_as_flaky(
    project: Project, engine: Engine, busybox: str
) -> None:
    flaky = "    def test_b(container, tmp_path_factory):\n        tries.append(1)\n        assert len(tries) == 2\n"
    after = "    def test_c(container):\n        assert container.is_running\n"
    add_web(project, busybox, tests=f"    tries = []\n{GOOD}{flaky}{after}")
    again = "flaky: 1 test passed, but not at the first try: test_web.py::test_b (2 tries)"
    done = project.pytest("containers", "--ready", "--promote", "--reruns", "2")
    assert done.status == 0, done.output
    assert f"  note: {again}\n" in done.output
    assert engine.image(f"{REPOSITORY}/{project.name('web')}:live") is not None
    (path,) = project.path.glob("state/engines/*/state.db")
    (row,) = State(path, project=project.project).releases(project.name("web"))
    assert (row.kind, row.note) == ("promote", again)


def test_a_test_that_fails_at_every_try_is_a_failure(project: Project, engine: Engine, busybox: str) -> None:
    add_web(project, busybox, tests=f"{GOOD}    def test_b(container):\n        assert 0\n")
    done = project.pytest("containers", "--ready", "--promote", "--reruns", "1")
    assert done.status == 1
    assert "1 test failed: test_web.py::test_b" in done.output
    assert engine.image(f"{REPOSITORY}/{project.name('web')}:live") is None


def test_tests_that_change_while_latest_is_tested_are_noticed(project: Project, engine: Engine, busybox: str) -> None:
    directory = add_web(project, busybox, tests=GOOD)
    assert project.pytest(str(directory), "--ready").status == 0
    add_web(project, busybox, tests=f"{GOOD}    def test_b(): open(__file__, 'a').write('#')\n")
    result = project.pytest(str(directory), "--ready", "--promote", "--no-build")
    assert result.status != 0, result.output
    assert engine.image(f"{REPOSITORY}/{directory.name}:live") is None


@pytest.mark.parametrize("body", IN_PROD.values(), ids=IN_PROD)
def test_what_does_not_pass_in_production_verifies_nothing(
    project: Project, engine: Engine, busybox: str, body: str
) -> None:
    tests = f"{GOOD}    @pytest.mark.in_prod\n    def test_p(http):\n        {body}\n"
    directory = add_web(project, busybox, tests=tests)
    result = project.pytest(str(directory), "--ready", "--launch")
    assert result.status != 0, result.output
    assert engine.image(f"{REPOSITORY}/{directory.name}:live") is None
    assert engine.container(directory.name) is None

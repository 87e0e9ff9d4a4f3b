"""Several sessions on one host and one fleet: builds are shared, instances do not meet, the ledger stays consistent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from kharness.engine.api import Engine
from kharness.host.state.state import Release, State
from tests.plugin.conftest import add_web
from tests.projects import REPOSITORY, Project

pytestmark = pytest.mark.engine

MANY = 20
BUILT = "FROM {busybox}\nRUN echo {version} > /version\nEXPOSE 8080\nCMD exec httpd -f -p 8080 -h /\n"
TESTS = """\
    import pytest

    @pytest.mark.in_prod
    @pytest.mark.standalone
    def test_it_serves_its_version(http):
        assert http.get("/version").text == "{version}\\n"
"""


def together(project: Project, count: int, *args: str) -> Iterator[tuple[int, str]]:
    """Run so many sessions at once; yields each one's exit status and output."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args],
            cwd=project.path,
            env=project.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(count)
    ]
    for process in running:
        with process:
            said, _ = process.communicate(timeout=240)
            yield process.returncode, said


def rows(project: Project, name: str) -> list[Release]:
    (path,) = project.path.glob("state/engines/*/state.db")
    return list(reversed(State(path, project=project.project).releases(project.name(name))))


def live(project: Project, engine: Engine, name: str) -> str:
    found = engine.image(f"{REPOSITORY}/{project.name(name)}:live")
    assert found is not None
    return found.id


def test_twenty_sessions_on_one_fleet_promote_each_container_once(
    project: Project, engine: Engine, busybox: str
) -> None:
    for name in ("a", "b"):
        settings = "restart: 'no'\nhealthcheck: {test: [CMD, test, -e, /version]}\n"
        files = {"settings.yaml": settings, "Dockerfile": BUILT.format(busybox=busybox, version=name)}
        project.add(name, {**files, f"test_{name}.py": TESTS.format(version=name)})
    ended = list(together(project, MANY, "containers", "--ready", "--promote"))
    for status, said in ended:
        # Whoever comes while another one moves the tags is refused, and told why.
        assert status == 0 or "is locked by pid" in said, said
    assert any(status == 0 for status, _ in ended)
    for name in ("a", "b"):
        assert [row.kind for row in rows(project, name)] == ["promote"]
        assert rows(project, name)[0].image_id == live(project, engine, name)
    built = [said.count(": built in") for _, said in ended]
    assert sum(built) == 2, built


def test_of_two_launches_at_once_one_wins_and_the_other_is_told(project: Project, engine: Engine, busybox: str) -> None:
    add_web(project, busybox)
    ended = list(together(project, 2, "containers", "--ready", "--launch"))
    told = [said for status, said in ended if status]
    assert len(told) < 2, told
    assert all("is locked by pid" in said for said in told), told
    found = engine.container(project.name("web"))
    assert found is not None
    assert found.running
    assert found.image_id == live(project, engine, "web")
    assert [row.kind for row in rows(project, "web")][:2] == ["promote", "launch"]

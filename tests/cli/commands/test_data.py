"""Data around an upgrade from the command line, on a real engine: shown, put back, and asked for before it is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from tests.plugin.conftest import temporary_project
from tests.projects import Project, Result, said

SETTINGS = """\
    init: true
    stop_grace_period: 1s
    volumes: [./data:/data, "/etc/hostname:/etc/site:ro"]
    release: {verify_for: 200ms, data: snapshot}
"""
DOCKERFILE = """\
FROM {busybox}
EXPOSE 8080
LABEL v={version}
CMD [ -e /data/made-by-{version} ] || echo rows > /data/made-by-{version}; exec httpd -f -p 8080 -h /data
"""
TESTS = """\
    import pytest

    @pytest.mark.in_prod
    @pytest.mark.standalone
    def test_it_has_rows(http):
        assert http.get("/made-by-{version}").text == "rows\\n"
        {more}
"""


def add(project: Project, busybox: str, version: str, *, more: str = "pass") -> Result:
    """Build and launch a version whose tests do one thing more."""
    files = {
        "settings.yaml": SETTINGS,
        "Dockerfile": DOCKERFILE.format(busybox=busybox, version=version),
        "test_web.py": TESTS.format(version=version, more=more),
    }
    project.add("web", files)
    return project.pytest("containers", "--ready", "--launch")


@contextmanager
def launched(path: Path, engine: Engine, busybox: str) -> Iterator[Project]:
    """A project whose `web` was launched twice, each version having migrated its data."""
    with temporary_project(path, engine) as project:
        for version in "12":
            done = add(project, busybox, version)
            assert done.status == 0, done.output
        yield project


@pytest.fixture
def own_web(tmp_path: Path, engine: Engine, busybox: str) -> Iterator[Project]:
    """One for a test that goes back."""
    with launched(tmp_path, engine, busybox) as project:
        yield project


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[Project]:
    """One for the tests that leave version 2, and its data, in production."""
    with launched(tmp_path_factory.mktemp("launched"), engine, busybox) as project:
        yield project


def files(project: Project) -> set[str]:
    return {path.name for path in (project.path / "dv" / project.name("web") / "data").iterdir()}


def test_volumes_and_snapshots_are_shown_to_people_and_programs(web: Project) -> None:
    name = web.name("web")
    shown = said(web.kharness("volumes", name))
    data = next(line for line in shown.splitlines() if line.startswith("/data"))
    assert data.split()[1:4] == [str(web.path / "dv" / name / "data"), "rw", "copy"]
    assert "/etc/site" in shown
    assert "ro" in shown
    (found,) = json.loads(said(web.kharness("volumes", name, "--json")))
    assert found["name"] == name
    assert [(each["target"], each["read_only"], each["in_test"]) for each in found["volumes"]] == [
        ("/data", False, "copy"),
        ("/etc/site", True, "ro"),
    ]
    assert found["volumes"][0]["place"]["entries"] == 2
    assert found["snapshots"][-1]["strategy"] in {"real", "reflink", "btrfs"}
    assert f"{found['snapshots'][-1]['id']} " in shown
    assert said(web.kharness("volumes")) == shown


def test_a_launch_that_fails_says_what_it_discards(web: Project, busybox: str) -> None:
    done = add(web, busybox, "3", more='assert http.get("/made-by-2").status_code == 404')
    assert done.status == 1
    assert "release failed verification and was rolled back" in done.output
    assert "note: discarded 1 file (5 bytes), the newest from 20" in done.output
    assert files(web) == {"made-by-1", "made-by-2"}
    name = web.name("web")
    assert "discarded when the launch was undone: 1 file (5 bytes)" in said(web.kharness("volumes", name))


def test_a_way_back_with_the_data_is_asked_for_first_and_can_be_taken_forward_again(
    own_web: Project, busybox: str
) -> None:
    web = own_web
    name = web.name("web")
    web.add("web", {"test_web.py": TESTS.format(version="1", more="pass")})
    refused = said(web.kharness("rollback", name, "--data"), 2)
    assert "this discards what was written since: 1 file (5 bytes), the newest from 20" in refused
    assert "data/made-by-2" in refused
    assert "there is no terminal to ask at; use --yes to discard that" in refused
    assert files(web) == {"made-by-1", "made-by-2"}
    done = said(web.kharness("rollback", name, "--data", "--yes"))
    assert "is live, and production runs it" in done
    assert "data/made-by-2" in done
    assert files(web) == {"made-by-1"}
    assert "the last release was a roll-back already" in said(web.kharness("rollback", name, "--data"), 2)
    assert add(web, busybox, "3").status == 0
    assert files(web) == {"made-by-1", "made-by-3"}
    assert "the data stay as they are; 'kharness rollback" in web.kharness("rollback", name).output


def test_a_root_that_is_not_mounted_is_told_with_what_to_do(web: Project) -> None:
    name, root = web.name("web"), web.path / "dv"
    root.rename(web.path / "unmounted")
    output = said(web.kharness("run", name), 1)
    assert f"{root}: the volume root was on the file system " in output
    assert "is not there now: the disk is probably not mounted" in output
    assert not root.exists()
    assert "probably not mounted" in said(web.kharness("doctor"), 1)
    assert "should be a directory, to be the volume root" in said(web.kharness("volumes", "--accept-root"), 1)
    (web.path / "unmounted").rename(root)
    assert f"{name}: runs " in said(web.kharness("run", name))
    assert f"the volume root is {root}, on the file system" in said(web.kharness("volumes", "--accept-root"))
    assert "is about all containers" in said(web.kharness("volumes", name, "--accept-root"), 2)

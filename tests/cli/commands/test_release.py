"""Releases from the command line, on a real engine: back to an earlier one, recovered, pruned, up with the host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project, said

SETTINGS = """\
    restart: unless-stopped
    init: true
    stop_grace_period: 1s
    autostart: 1
    release: {verify_for: 200ms}
"""
DOCKERFILE = "FROM {busybox}\nRUN echo {version} > /version\nEXPOSE 8080\nCMD exec httpd -f -p 8080 -h /\n"
TESTS = """\
    import pytest

    @pytest.mark.in_prod
    @pytest.mark.standalone
    def test_it_serves_a_version(http):
        assert http.get("/version").text in {"1\\n", "2\\n", "3\\n"}
"""


@contextmanager
def launched(path: Path, engine: Engine, busybox: str) -> Iterator[Project]:
    """A project whose `web` was launched three times, from three images."""
    with temporary_project(path, engine) as project:
        for version in "123":
            dockerfile = DOCKERFILE.format(busybox=busybox, version=version)
            project.add("web", {"settings.yaml": SETTINGS, "Dockerfile": dockerfile, "test_web.py": TESTS})
            done = project.pytest("containers", "--ready", "--launch")
            assert done.status == 0, done.output
        yield project


@pytest.fixture
def own_web(tmp_path: Path, engine: Engine, busybox: str) -> Iterator[Project]:
    """One for a test that goes back."""
    with launched(tmp_path, engine, busybox) as project:
        yield project


@pytest.fixture(scope="module")
def shared_web(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[Project]:
    """One for the tests that leave version 3 in production."""
    with launched(tmp_path_factory.mktemp("launched"), engine, busybox) as project:
        yield project


@pytest.fixture
def web(shared_web: Project, busybox: str) -> Project:
    """The shared one, with the sources that were launched last."""
    dockerfile = DOCKERFILE.format(busybox=busybox, version="3")
    shared_web.add("web", {"Dockerfile": dockerfile, "test_web.py": TESTS})
    return shared_web


def version(project: Project, engine: Engine) -> str:
    found = engine.container(project.name("web"))
    assert found is not None
    assert found.running
    return engine.read_file(found.id, "/version").decode().strip()


def test_a_way_back_and_what_is_kept_for_it(own_web: Project, engine: Engine) -> None:
    web = own_web
    name = web.name("web")
    assert version(web, engine) == "3"
    told = said(web.kharness("rollback", name, "--dry-run"))
    assert version(web, engine) == "3"
    assert "is live, and production runs it" in said(web.kharness("rollback", name))
    (second,) = (found.image_id for found in engine.containers(labels={"kharness.name": name}) if found.up)
    assert told.startswith(f"{name}: {second[7:19]} would be launched; ")
    assert version(web, engine) == "2"
    lines = said(web.kharness("history", name)).splitlines()
    assert "rollback" in lines[1]
    newest = json.loads(said(web.kharness("history", name, "--json")))[0]
    assert (newest["kind"], newest["image_id"]) == ("rollback", second)
    oldest = lines[-1].split()[3]
    assert "is live, and production runs it" in said(web.kharness("rollback", name, "--to", oldest))
    assert version(web, engine) == "1"
    assert "should be at least 4 digits" in said(web.kharness("rollback", name, "--to", "1"), 2)

    would = said(web.kharness("prune", "--keep", "1", "--dry-run"))
    assert said(web.kharness("prune", "--keep", "1")) == would.replace("would remove", "removed")
    assert said(web.kharness("prune", "--keep", "1")) == "nothing to remove\n"
    tags = {tag for image in engine.images() for tag in image.tags if tag.startswith(f"{REPOSITORY}/{name}:")}
    assert {f"{REPOSITORY}/{name}:live", f"{REPOSITORY}/{name}:prev"} <= tags
    assert version(web, engine) == "1"


def test_what_the_newest_image_would_change_is_shown(web: Project, engine: Engine, busybox: str) -> None:
    name = web.name("web")
    said(web.kharness("build", name))
    assert "is :latest and :live" in said(web.kharness("diff", name))
    more = "RUN ln -s /version /link && chmod 4755 /bin/busybox && rm /etc/group\nUSER nobody\n"
    web.add("web", {"Dockerfile": DOCKERFILE.format(busybox=busybox, version="4") + more})
    assert said(web.kharness("build", name, "--dry-run")) == f"{name}: would be built\n"
    said(web.kharness("build", name))
    assert "is unchanged" in said(web.kharness("build", name, "--dry-run"))
    value = json.loads(said(web.kharness("diff", name, "--json")))
    assert value["live"]["image"] != value["latest"]["image"]
    assert {"what": "/link", "before": None, "after": "link"} in value["files"]
    lines = said(web.kharness("diff", name, "--all")).splitlines()
    assert {"  + user nobody", "  + /link link", "  - /etc/group file", "  ~ /version: content"} <= set(lines)
    assert "  ~ /bin/busybox: mode 0755 -> mode 4755" in lines
    assert not [line for line in lines if "/etc/hosts" in line or "/proc" in line or "dockerenv" in line]
    assert not [found for found in engine.containers(labels={"kharness.name": name}) if found.name != name]


def test_a_way_back_that_fails_in_production_leaves_what_runs(web: Project, engine: Engine) -> None:
    name = web.name("web")
    tests = TESTS.replace('{"1\\n", "2\\n", "3\\n"}', '{"3\\n"}')
    web.add("web", {"test_web.py": tests})
    output = said(web.kharness("rollback", name), 1)
    assert "release failed verification and was rolled back" in output
    assert "test_it_serves_a_version failed in production" in output
    assert "test_it_serves_a_version failed in production" in said(web.kharness("history", name))
    assert version(web, engine) == "3"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("__import__('os')._exit(0)", "the in-production tests ended with status 0 before they were over"),
        ("pytest.skip('not now')", "1 test skipped in production"),
        ("pytest.xfail('some day')", "no test passed in production"),
    ],
)
def test_a_way_back_that_no_test_has_verified_leaves_what_runs(
    web: Project, engine: Engine, body: str, reason: str
) -> None:
    tests = TESTS.replace('assert http.get("/version").text in {"1\\n", "2\\n", "3\\n"}', body)
    assert tests != TESTS
    web.add("web", {"test_web.py": tests})
    assert reason in said(web.kharness("rollback", web.name("web")), 1)
    assert version(web, engine) == "3"


def test_what_starts_with_the_host_comes_up_and_nothing_is_left_to_recover(web: Project, engine: Engine) -> None:
    name = web.name("web")
    assert said(web.kharness("recover")) == "nothing to recover\n"
    assert re.search(rf"{name}: running, \d+\.\d s", said(web.kharness("up-all")))
    engine.remove(name, force=True)
    up = said(web.kharness("up-all"))
    assert f"\n{name}: started, " in up
    assert up.endswith("\nall ok\n")
    assert version(web, engine) == "3"
    assert "can be read; there is nothing to rebuild" in said(web.kharness("recover", "--rebuild"), 2)


def test_units_are_written_for_this_project_and_removed(web: Project, tmp_path: Path) -> None:
    units = tmp_path / "units"
    units.mkdir()
    would = said(web.kharness("service", "install", "--to", str(units), "--dry-run"))
    assert list(units.iterdir()) == []
    said(web.kharness("service", "install", "--to", str(units)))
    assert all(f"would write {unit}:\n{unit.read_text()}" in would for unit in units.iterdir())
    would = said(web.kharness("service", "remove", "--to", str(units), "--dry-run"))
    assert would.count("would remove ") == len(list(units.iterdir())) == 3
    text = (units / f"kharness-{web.project}-recover.service").read_text()
    assert f"WorkingDirectory={web.path}" in text
    assert f"KHARNESS_STATE_DIR={web.path}/state" in text
    said(web.kharness("service", "remove", "--to", str(units)))
    assert list(units.iterdir()) == []

"""`kharness prep`, as a user types it, on the engine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from tests.plugin.conftest import temporary_project
from tests.projects import Project

pytestmark = [pytest.mark.engine, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

SETTINGS = """\
    image: {busybox}
    command: [sleep, "600"]
    init: true
    user: nobody
    volumes: [./data:/data, ./app.conf:/etc/app.conf:ro]
    prepare:
      - {{path: data, mode: 0o700}}
      - {{path: data/key, mode: 0o400, contents: {{command: [sh, -c, "printf '%s' key-of-$$(id -un)"]}}}}
      - {{path: app.conf, owner: 0, group: group/nogroup, mode: 0o640, contents: {{file: app.conf}}}}
    release: {{verify: none}}
"""


@pytest.fixture
def project(tmp_path: Path, engine: Engine, busybox: str) -> Iterator[Project]:
    with temporary_project(tmp_path, engine) as found:
        files = {"settings.yaml": SETTINGS.format(busybox=busybox), "app.conf": "color = blue\n"}
        found.add("web", files)
        found.add("plain", {"settings.yaml": f"image: {busybox}\n"})
        (found.path / "dv").mkdir()
        yield found


def state(path: Path) -> tuple[int, int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def states(output: str) -> list[tuple[str, str]]:
    lines = [line.partition(": ")[2] for line in output.splitlines()]
    return [(line[:12].strip(), line[14:].split()[0]) for line in lines]


def test_prep_makes_reports_and_fixes(project: Project) -> None:
    name, top = project.name("web"), project.path / "dv" / project.name("web")
    without = project.kharness("prep", name)
    assert without.status == 2
    assert f"'kharness build {name}' makes one" in without.output
    assert project.kharness("build", name).status == 0
    dry = project.kharness("prep", name, "--dry-run")
    assert (dry.status, top.exists()) == (0, False)
    assert states(dry.output) == [("would create", "app.conf"), ("would create", "data"), ("would create", "data/key")]
    made = project.kharness("prep", name)
    assert made.status == 0, made.output
    assert [state(top / path) for path in ("data", "data/key", "app.conf")] == [
        (65534, 65534, 0o700),
        (65534, 65534, 0o400),
        (0, 65534, 0o640),
    ]
    assert (top / "data/key").read_text() == "key-of-nobody"
    assert (top / "app.conf").read_text() == "color = blue\n"
    os.chown(top / "data", 0, 0)
    (top / "app.conf").write_text("color = red\n")
    differs = project.kharness("prep", name)
    assert differs.status == 1
    assert "owner is 0:0, should be 65534:65534" in differs.output
    assert state(top / "data") == (0, 0, 0o700)
    assert project.kharness("prep", name, "--fix").status == 0
    assert state(top / "data") == (65534, 65534, 0o700)
    assert {each for each, _ in states(project.kharness("prep", name).output)} == {"as declared"}
    assert (top / "app.conf").read_text() == "color = red\n"


def test_one_broken_directory_does_not_stop_the_others(project: Project) -> None:
    name = project.name("web")
    assert project.kharness("build", name).status == 0
    project.add("apart", {"settings.yaml": "imagee: x\n"})
    project.add("zulu", {"settings.yaml": "image: never:1\nprepare: [data]\n"})
    found = project.kharness("prep", "--all")
    assert found.status == 1
    assert "imagee: " in found.output
    assert f"'kharness build {project.name('zulu')}' makes one" in found.output
    assert f"{name}: created" in found.output
    assert project.name("plain") not in found.output
    assert "Traceback" not in found.output


def test_nothing_declared_is_said(project: Project) -> None:
    found = project.kharness("prep", project.name("plain"))
    assert (found.status, found.output) == (0, f"{project.name('plain')}: nothing is declared to be prepared\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "should be told the names of container directories, or --all, and not both"),
        (("web", "--all"), "should be told the names of container directories, or --all, and not both"),
        (("--all", "--shift-from", "none"), "--shift-from changes owners of what is there: say --fix, or --dry-run"),
        (("WEB", "--fix", "--shift-from", "none"), "--shift-from none: should be another mapping than now"),
        (("WEB", "--fix", "--shift-from", "x"), "--shift-from: should be none, or the first host id"),
    ],
)
def test_what_cannot_be_asked_for(project: Project, words: tuple[str, ...], message: str) -> None:
    found = project.kharness("prep", *(project.name("web") if word == "WEB" else word for word in words))
    assert found.status == 2
    assert message in found.output
    assert "Traceback" not in found.output


def test_a_launch_mounts_what_was_prepared_a_moment_ago(project: Project, engine: Engine) -> None:
    name = project.name("web")
    assert project.kharness("build", name).status == 0
    assert project.kharness("promote", name, "--untested").status == 0
    launched = project.kharness("run", name)
    assert launched.status == 0, launched.output
    script = "cat /data/key /etc/app.conf && touch /data/written"
    assert engine.exec(name, ["sh", "-c", script]).stdout == "key-of-nobodycolor = blue\n"
    assert state(project.path / "dv" / name / "data/written")[0] == 65534


def test_a_stand_alone_instance_is_prepared_without_production(project: Project) -> None:
    tests = """\
        def test_it(container):
            assert container.exec("cat", "/data/key", "/etc/app.conf").stdout == "key-of-nobodycolor = blue\\n"
            assert container.exec("touch", "/data/mine").ok
            assert container.exec("stat", "-c", "%a %u", "/data").stdout == "700 65534\\n"
    """
    directory = project.add("web", {"test_web.py": tests})
    result = project.pytest(str(directory), "--ready")
    assert result.status == 0, result.output
    assert list((project.path / "dv").iterdir()) == []

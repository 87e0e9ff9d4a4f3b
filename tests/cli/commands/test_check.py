"""`kharness check`: a line for each problem, a summary, and an exit status for hooks and CI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kharness.cli.commands import check
from kharness.errors import Problem
from kharness.ops.project.check_files import CheckedFiles, FoundProblem
from tests.cli.here import here
from tests.projects import Project, said

NOWHERE = "unix:///nowhere/docker.sock"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project.create(tmp_path / "project", prefix="kt-")
    found.add("good", {"settings.yaml": "image: x\n"})
    return found


def test_what_is_well_is_one_line_and_needs_no_engine(project: Project) -> None:
    assert said(here(project, "check", DOCKER_HOST=NOWHERE)) == "2 files checked: all ok\n"


def test_each_problem_is_one_line_and_the_status_is_1(project: Project) -> None:
    directory = project.add("bad", {"settings.yaml": "imagee: x\nimage: y\n"})
    lines = said(here(project, "check", str(directory), DOCKER_HOST=NOWHERE), 1).splitlines()
    assert lines == [
        f"{directory}/settings.yaml: imagee: unknown key, did you mean 'image'?",
        "2 files checked: 1 problem",
    ]


def test_a_program_gets_files_keys_and_lines(project: Project) -> None:
    directory = project.add("bad", {"settings.yaml": "image: [\n"})
    value = json.loads(said(here(project, "check", str(directory), "--json"), 1))
    (problem,) = value["problems"]
    assert (value["ok"], problem["file"], problem["line"], problem["remark"]) == (
        False,
        f"{directory}/settings.yaml",
        2,
        False,
    )


def test_a_path_without_anything_to_check_is_misuse(project: Project) -> None:
    assert "there is no such file or folder" in said(here(project, "check", "nowhere"), 2)


def test_remarks_are_marked_and_fail_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    remark = FoundProblem(
        Problem(Path("compose.yaml"), "services.web.develop (line 3)", "has no effect here"), remark=True
    )
    found = CheckedFiles(files=(Path("compose.yaml"),), found=(remark,))
    monkeypatch.setattr(check, "check_here", lambda **_: found)
    assert said(here(project, "check")) == (
        "compose.yaml: services.web.develop (line 3): has no effect here (remark)\n1 file checked: all ok, 1 remark\n"
    )

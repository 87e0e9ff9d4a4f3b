"""What is typed: each wrong combination is a usage error with its reason, and nothing is launched for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.projects import Project

USAGE_ERROR, NOTHING_RAN = 4, 5
NOWHERE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


@pytest.fixture
def plain(tmp_path: Path) -> Project:
    """A project with two containers and other tests, where no engine can be met."""
    project = Project.create(tmp_path / "project", prefix="")
    project.environ.update(NOWHERE)
    for name in ("web", "api"):
        project.add(name, {"settings.yaml": "image: x\n", "test_it.py": "def test_it():\n    pass\n"})
    (project.path / "tests").mkdir()
    (project.path / "tests/test_other.py").write_text("def test_other():\n    pass\n")
    return project


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("containers/web",), "web: say in which mode the container should be tested: --ready"),
        (("containers/web/test_it.py::test_it",), "web: say in which mode"),
        (("containers",), "api, web: say in which mode"),
        (("containers/web", "--ready", "--in-prod"), "--ready and --in-prod exclude each other"),
        (("containers/web", "--ready", "--prod-ready"), "--ready and --prod-ready exclude each other"),
        (("containers/web", "--in-prod", "--promote"), "--promote goes with --ready or --prod-ready"),
        (("containers/web", "--in-prod", "--launch"), "--launch goes with --ready or --prod-ready"),
        (("tests", "--promote"), "--promote goes with --ready or --prod-ready"),
        (("tests", "--no-build"), "--no-build goes with --ready or --prod-ready"),
        (("containers/web", "--in-prod", "--rebuild"), "--rebuild goes with"),
        (("containers/web", "--in-prod", "--if-changed"), "--if-changed goes with"),
        (("containers/web", "--in-prod", "--keep"), "--keep goes with"),
        (("containers/web", "--in-prod", "--keep-failed"), "--keep-failed goes with"),
        (("containers/web", "--in-prod", "--prove=content"), "--prove goes with --ready or --prod-ready"),
        (("containers/web", "--ready", "--no-build", "--rebuild"), "--no-build and --rebuild exclude each other"),
        (("tests", "--ready"), "none of the paths is a container directory"),
        (("tests/test_other.py", "--in-prod"), "for example containers/api"),
        (("containers/web", "--ready", "-n", "2", "--dist", "load"), "--dist load would split"),
        (("containers/web", "--ready", "-n", "2", "--dist", "worksteal"), "leave --dist away"),
        (("containers/web", "-o", "kharness_mode=readdy"), "should be one of ready, prod-ready, in-prod, not 'readdy'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_combination_is_a_usage_error_that_says_why(plain: Project, args: tuple[str, ...], reason: str) -> None:
    result = plain.pytest(*args)
    assert result.status == USAGE_ERROR, result.output
    assert result.output.startswith("ERROR: ")
    assert reason in result.output
    assert len(result.output.splitlines()) <= 2


def test_a_mode_where_no_container_directory_exists_is_a_usage_error(plain: Project) -> None:
    (plain.path / "pyproject.toml").write_text('[tool.kharness]\nsource_paths = ["nothing-here"]\n')
    result = plain.pytest("tests", "--ready")
    assert result.status == USAGE_ERROR
    assert f"no container directory found: {plain.path / 'nothing-here'}" in result.output
    (plain.path / "pyproject.toml").write_text("")
    assert "no source path is set" in plain.pytest("tests", "--ready").output


def test_without_an_engine_a_mode_is_a_usage_error_of_one_line(plain: Project) -> None:
    result = plain.pytest("containers/web", "--ready")
    assert result.status == USAGE_ERROR
    assert "/nonexistent/docker.sock" in result.output
    assert "Traceback" not in result.output
    assert "INTERNALERROR" not in result.output


def test_listing_needs_neither_a_mode_nor_an_engine(plain: Project) -> None:
    for mode in ((), ("--ready",)):
        result = plain.pytest("containers", "--collect-only", "-q", *mode)
        assert result.status == 0, result.output
        assert "containers/api/test_it.py::test_it" in result.output
        assert "2 tests collected" in result.output


@pytest.mark.parametrize("args", [(".",), (), (".", "-n", "2")], ids=["dot", "nothing", "workers"])
def test_without_a_mode_other_tests_run_and_one_line_says_what_does_not(plain: Project, args: tuple[str, ...]) -> None:
    result = plain.pytest(*args)
    assert result.status == 0, result.output
    assert result.outcomes()["passed"] == 1
    said = [line for line in result.output.splitlines() if line.startswith("kharness: ")]
    assert said == [
        "kharness: 2 tests of api, web left out, because no mode was given (--ready, --prod-ready or --in-prod)"
    ]


def test_when_nothing_else_is_there_a_plain_run_is_no_success(plain: Project) -> None:
    (plain.path / "tests/test_other.py").unlink()
    result = plain.pytest()
    assert result.status == NOTHING_RAN
    assert "2 tests of api, web left out" in result.output


def test_other_tests_alone_are_not_concerned(plain: Project) -> None:
    result = plain.pytest("tests")
    assert result.status == 0
    assert "kharness:" not in result.output


def test_the_mode_can_be_set_in_the_ini_file(plain: Project) -> None:
    (plain.path / "pytest.ini").write_text("[pytest]\nkharness_mode = in-prod\n")
    assert "kharness: mode in-prod, api, web" in plain.pytest("containers", "--collect-only").output
    # A flag says more than a file.
    assert "kharness: mode standalone" in plain.pytest("containers", "--collect-only", "--ready").output


@pytest.mark.parametrize(
    ("value", "args", "mode"),
    [
        ("1", ("--ready",), "prod-ready"),
        ("1", ("-o", "kharness_mode=ready"), "prod-ready"),
        ("1", ("--prod-ready",), "prod-ready"),
        ("1", ("--in-prod",), "in-prod"),
        ("0", ("--ready",), "standalone"),
        ("", ("--ready",), "standalone"),
    ],
    ids=str,
)
def test_the_variable_only_turns_ready_into_prod_ready(
    plain: Project, value: str, args: tuple[str, ...], mode: str
) -> None:
    result = plain.pytest("containers", "--collect-only", *args, environ={"KTOOLS_DRUN_TEST_PROD": value})
    assert f"kharness: mode {mode}, api, web" in result.output


def test_the_variable_alone_is_no_mode(plain: Project) -> None:
    result = plain.pytest("containers/web", environ={"KTOOLS_DRUN_TEST_PROD": "1"})
    assert result.status == USAGE_ERROR
    assert "say in which mode" in result.output


def test_an_option_between_sessions_is_not_shown_to_people(plain: Project) -> None:
    result = plain.pytest("--help")
    assert "--keep-failed" in result.output
    assert "--kharness-reports" not in result.output


@pytest.mark.engine
def test_a_group_that_splits_a_container_is_a_usage_error_under_workers(web: Project) -> None:
    file = web.path / "containers" / web.name("web") / "test_web.py"
    file.write_text(file.read_text().replace("def test_it", '@pytest.mark.xdist_group("mine")\ndef test_it'))
    result = web.pytest("containers", "--ready", "-n", "2")
    assert result.status == USAGE_ERROR, result.output
    assert "the mark xdist_group would split the tests of" in result.output
    assert "INTERNALERROR" not in result.output
    # Without workers there is nothing to split.
    assert web.pytest("containers", "--ready").status == 0


@pytest.mark.engine
def test_a_group_that_is_the_container_itself_splits_nothing(web: Project) -> None:
    file = web.path / "containers" / web.name("web") / "test_web.py"
    mark = f'@pytest.mark.xdist_group("{web.name("web")}")\ndef test_it'
    file.write_text(file.read_text().replace("def test_it", mark))
    result = web.pytest("containers", "--ready", "--promote", "-n", "2")
    assert result.status == 0, result.output
    assert "is live now" in result.output


@pytest.mark.engine
def test_other_tests_selected_beside_a_container_run_and_gate_nothing(web: Project) -> None:
    (web.path / "tests").mkdir()
    (web.path / "tests/test_other.py").write_text("def test_other():\n    assert 0, 'not your business'\n")
    result = web.pytest("tests", f"containers/{web.name('web')}", "--ready", "--promote")
    assert result.status == 1
    assert "not your business" in result.output
    assert "is live now" in result.output

"""What is wrong with files that kharness reads is found without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import Problem, UsageError
from kharness.ops.project.check_files import CheckedFiles, FoundProblem, check_here, check_paths


@pytest.fixture
def home(tmp_path: Path) -> Path:
    files = {
        "home/pyproject.toml": '[tool.kharness]\nsource_paths = ["containers"]\nprojects = ["stacks/*"]\n',
        "home/containers/good/settings.yaml": "image: x\n",
        "home/containers/bad/settings.yaml": "imagee: x\nimage: y\n",
        "home/stacks/shop/compose.yaml": "services:\n  web: {image: x}\n  db: {image: x, mem_limit: much}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "home"


def _environ(home: Path) -> dict[str, str]:
    return {"KHARNESS_STATE_DIR": str(home / "state")}


def _said(found: CheckedFiles, home: Path) -> list[tuple[str, str]]:
    return [(str(each.problem.file.relative_to(home)), each.place[0]) for each in found.found]


def test_everything_that_commands_know_here_is_checked(home: Path) -> None:
    found = check_here(cwd=home, environ=_environ(home))
    assert _said(found, home) == [
        ("containers/bad/settings.yaml", "imagee"),
        ("stacks/shop/compose.yaml", "services.db.mem_limit"),
    ]
    assert not found.ok
    assert len(found.files) == 4


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("containers/good", []),
        ("containers/bad", ["imagee"]),
        ("containers/bad/settings.yaml", ["imagee"]),
        ("containers", ["imagee"]),
        ("stacks", ["services.db.mem_limit"]),
        ("stacks/shop", ["services.db.mem_limit"]),
        ("stacks/shop/compose.yaml", ["services.db.mem_limit"]),
        (".", ["imagee"]),
        ("pyproject.toml", []),
    ],
)
def test_a_path_is_a_file_a_folder_or_what_is_below_it(home: Path, path: str, expected: list[str]) -> None:
    found = check_paths([Path(path)], cwd=home, environ=_environ(home))
    assert [key for _, key in _said(found, home)] == expected


@pytest.mark.parametrize(("path", "why"), [("nowhere", "no such file"), ("state", "holds neither settings.yaml")])
def test_a_path_where_nothing_can_be_checked_is_no_success(home: Path, path: str, why: str) -> None:
    (home / "state").mkdir()
    with pytest.raises(UsageError, match=why):
        check_paths([Path(path)], cwd=home, environ=_environ(home))


def test_a_broken_configuration_is_a_problem_of_its_file(home: Path) -> None:
    (home / "pyproject.toml").write_text('[tool.kharness]\nsource_path = ["containers"]\n')
    found = check_here(cwd=home, environ=_environ(home))
    assert _said(found, home) == [("pyproject.toml", "tool.kharness.source_path")]


def test_two_projects_of_one_name_are_found(home: Path) -> None:
    (home / "stacks" / "other").mkdir()
    (home / "stacks" / "other" / "compose.yaml").write_text("name: shop\nservices: {}\n")
    found = check_here(cwd=home, environ=_environ(home))
    assert "two projects have the name 'shop'" in str(found.found[-1].problem)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("services.web (line 3)", ("services.web", 3)),
        ("line 7", ("", 7)),
        ("image", ("image", None)),
        ("", ("", None)),
    ],
)
def test_the_line_stands_apart_for_programs(key: str, place: tuple[str, int | None]) -> None:
    assert FoundProblem(Problem(Path("x"), key, "wrong")).place == place
    assert CheckedFiles(files=(), found=(FoundProblem(Problem(Path("x"), key, "odd"), remark=True),)).ok

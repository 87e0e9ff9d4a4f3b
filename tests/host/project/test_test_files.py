"""The test files of a container directory are what a complete session collects."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kharness.host.project import test_files


def write(path: Path, text: str = "def test_it(): ...\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_tests_in_folders_of_the_image_are_not_of_the_session(tmp_path: Path) -> None:
    own = {write(tmp_path / "test_a.py"), write(tmp_path / "inner/files/b_test.py")}
    for other in ("files/test_x.py", "private.d/test_x.py", ".hidden/test_x.py", "__pycache__/test_x.py", "a.py"):
        write(tmp_path / other)
    assert test_files.files_of_tests(tmp_path) == own


def test_files_that_patterns_leave_out_are_named_where_they_hold_tests(tmp_path: Path) -> None:
    left = write(tmp_path / "test_a.py")
    write(tmp_path / "test_none.py", "x = 1\n")
    write(tmp_path / "check_b.py")
    assert test_files.unfound_files(tmp_path, ("check_*.py",)) == {left}


def test_tests_have_pytests_names(tmp_path: Path) -> None:
    write(tmp_path / "test_a.py", "class TestIt:\n    def test_b(self): ...\n\ndef test_c(): ...\n")
    assert test_files.tests_of(tmp_path, "test_a.py") == ("test_a.py::TestIt::test_b", "test_a.py::test_c")
    assert test_files.tests_of(tmp_path, "never.py") == ()


def test_a_test_with_one_mark_and_not_the_other_is_found(tmp_path: Path) -> None:
    text = "import pytest\n\n@pytest.mark.in_prod\ndef test_a(): ...\n\n@pytest.mark.standalone\ndef test_b(): ...\n"
    write(tmp_path / "test_a.py", text)
    assert test_files.marked_alone(tmp_path, mark="in_prod", other="standalone") == ("test_a.py::test_a",)


def test_a_commit_has_a_plus_where_the_directory_differs(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        own = ("-c", "user.name=a", "-c", "user.email=a@b.invalid")
        subprocess.run(["git", "-C", tmp_path, *own, *words], check=True, capture_output=True)

    assert test_files.commit_of(tmp_path) == ""
    git("init")
    write(tmp_path / "x")
    git("add", ".")
    git("commit", "-m", "x")
    assert len(test_files.commit_of(tmp_path)) == 12
    write(tmp_path / "x", "changed")
    assert test_files.commit_of(tmp_path).endswith("+")


def test_the_first_file_with_settings_for_pytest_counts(tmp_path: Path) -> None:
    assert test_files.pytest_ini(tmp_path) is None
    write(tmp_path / "setup.cfg", "[tool:pytest]\n")
    write(tmp_path / "pyproject.toml", "[project]\n")
    assert test_files.pytest_ini(tmp_path) == tmp_path / "setup.cfg"
    write(tmp_path / "pyproject.toml", "[tool.pytest.ini_options]\n")
    assert test_files.pytest_ini(tmp_path) == tmp_path / "pyproject.toml"

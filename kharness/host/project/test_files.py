"""A container directory's test files, its git commit, and the file with pytest's settings of its project."""

from __future__ import annotations

import configparser
import fnmatch
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kharness.plan.session.test_files import declared_tests, marked_tests

NO_TESTS = frozenset({"files", "private.d"})
"""Folders of a container directory whose contents go into the image; tests there are the image's business."""
PATTERNS = ("test_*.py", "*_test.py")
"""The default of pytest's python_files."""


def files_of_tests(directory: Path, patterns: Sequence[str] = PATTERNS) -> frozenset[Path]:
    """Return the test files that a complete session of this directory would collect."""
    return frozenset(
        path
        for path in _files(directory, skip=NO_TESTS)
        if path.suffix == ".py" and any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)
    )


def tests_of(directory: Path, file: str) -> tuple[str, ...]:
    """Return the tests that pytest's own conventions collect from a file: `test_web.py::TestIt::test_a`."""
    return tuple(f"{file}::{name}" for name in declared_tests(_text(directory / file)))


def unfound_files(directory: Path, patterns: Sequence[str]) -> frozenset[Path]:
    """Return the files that hold tests by pytest's own conventions, and that these patterns leave out."""
    left = files_of_tests(directory) - files_of_tests(directory, patterns)
    return frozenset(path for path in left if declared_tests(_text(path)))


def marked_alone(directory: Path, *, mark: str, other: str) -> tuple[str, ...]:
    """Return the tests of a container directory that carry one mark and not the other."""
    found = []
    for path in sorted(files_of_tests(directory)):
        text = _text(path)
        if mark in text:
            found += [f"{path.relative_to(directory)}::{name}" for name in marked_tests(text, mark=mark, other=other)]
    return tuple(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _files(directory: Path, *, skip: frozenset[str]) -> Iterator[Path]:
    for entry in sorted(directory.iterdir()):
        if entry.is_dir():
            if not entry.name.startswith(".") and entry.name not in {*skip, "__pycache__"}:
                yield from _files(entry, skip=frozenset())
        else:
            yield entry


TIMEOUT = 10.0


def commit_of(directory: Path) -> str:
    """Return the commit, with `+` when the directory differs from it; empty outside a git checkout."""
    head = _git(directory, "rev-parse", "--short=12", "HEAD")
    if not head:
        return ""
    return head + ("+" if _git(directory, "status", "--porcelain", "--", ".") else "")


def _git(directory: Path, *args: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            ["git", "-C", str(directory), *args],  # noqa: S607 - git from the path, as the user has it
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _always(_: Path) -> bool:
    return True


def _toml(file: Path) -> bool:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError):
        return False
    return isinstance(table, dict) and "pytest" in table


def _ini(section: str) -> Callable[[Path], bool]:
    def has(file: Path) -> bool:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, ValueError):
            return False
        return parser.has_section(section)

    return has


FILES: tuple[tuple[str, Callable[[Path], bool]], ...] = (
    ("pytest.toml", _always),
    (".pytest.toml", _always),
    ("pytest.ini", _always),
    (".pytest.ini", _always),
    ("pyproject.toml", _toml),
    ("tox.ini", _ini("pytest")),
    ("setup.cfg", _ini("tool:pytest")),
)
"""In pytest's own order, and whether one counts."""


def pytest_ini(project: Path) -> Path | None:
    """Return the file that pytest would take in this folder, None where there is none."""
    for name, counts in FILES:
        if (file := project / name).is_file() and counts(file):
            return file
    return None

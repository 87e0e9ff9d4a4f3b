"""The file that has a project's settings for pytest."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Callable
from pathlib import Path


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

"""Which project container directories belong to: its name, and the folder that stands for it.

Loaded in every pytest run: neither settings models nor YAML are imported here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import Problem, SettingsError
from kharness.settings.catalog import find_containers
from kharness.settings.compose.folder import compose_folder
from kharness.settings.sources import ENVIRONMENT, PROJECT_KEY, PROJECT_NAME, project_table

PROJECT_FILE = "pyproject.toml"
DEFAULT_PROJECT = "ktools"
"""The project of container directories that no `pyproject.toml` stands above: a host's single collection."""
LIBRARY = "~library"
"""The project of instances that a program launches without container directories; no folder can have this name."""
SHOULD = "a project's name such as shop: lower-case letters, digits, '-' and '_', first a letter or digit"
VARIABLES = ("KHARNESS_PROJECT", "KTOOLS_PROJECT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project's name and its folder, absolute and without symbolic links."""

    name: str
    path: Path


def project_of(directory: Path) -> Path | None:
    """Return the nearest folder, upwards, whose `pyproject.toml` has a `[tool.kharness]` table."""
    return next((folder for folder in (directory, *directory.parents) if has_table(folder)), None)


def is_project(path: Path) -> bool:
    """Whether a folder still is a project: it has the table, a Compose file, or container directories below it.

    So is one that cannot be looked at: it may be another user's.
    """
    try:
        path.stat()
        return has_table(path) or compose_folder(path) is not None or bool(find_containers([path]).directories)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def find_project(
    *, folder: Path | None, said: str | None, environ: Mapping[str, str], source_paths: Sequence[Path]
) -> Project:
    """Return the project that a process in `folder` works for.

    Its name is that of a variable (`KHARNESS_PROJECT`), else `project` in the nearest `[tool.kharness]` table above
    `folder` or above the first source path, else the name of that table's folder, as Compose derives it. Source paths
    outside of any project have the name that the user's or the host's file gives (`said`), else `ktools`. Raises
    `SettingsError` for a name that is none.
    """
    above = project_of(folder) if folder else None
    above = above or next((found for path in source_paths[:1] if (found := project_of(path))), None)
    path = (above or (source_paths[0] if source_paths else Path.cwd())).resolve()
    variable = next((name for name in VARIABLES if environ.get(name)), None)
    if variable is not None:
        name = _checked(environ[variable], ENVIRONMENT, variable)
    elif above is not None:
        name = _own_name(path)
    else:
        name = said or DEFAULT_PROJECT
    return Project(name=name, path=path)


def _own_name(path: Path) -> str:
    file = path / PROJECT_FILE
    key = f"{PROJECT_KEY}.project"
    said = project_table(file)
    if said is not None and "project" in said.table:
        return _checked(said.table["project"], file, key)
    if name := derived(path.name):
        return name
    raise SettingsError([Problem(file, key, f"should name the project: nothing of {path.name!r} can be its name")])


def derived(text: str) -> str:
    """Return the project's name that a folder's name gives, by Compose's rule; empty where nothing of it is left."""
    return re.sub(r"[^a-z0-9_-]", "", text.lower()).lstrip("_-")


def _checked(said: object, file: Path, key: str) -> str:
    if isinstance(said, str) and PROJECT_NAME.fullmatch(said):
        return said
    raise SettingsError([Problem(file, key, f"should be {SHOULD}, not {said!r}")])


def has_table(folder: Path) -> bool:
    """Whether a folder's `pyproject.toml` is one of kharness's projects."""
    try:
        return b"[tool.kharness" in (folder / PROJECT_FILE).read_bytes()
    except OSError:
        return False

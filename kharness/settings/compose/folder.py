"""Which folder is a Compose project, by the names of its files.

Loaded in every pytest run: neither settings models nor YAML are imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""The names of a project's file, in the order in which Compose looks for them."""
OVERRIDES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
"""The names of the file that is merged over it, in Compose's order."""
LABEL = "com.docker.compose."
"""What the names of Compose's own labels begin with."""
OWN_FILE = "kharness.yaml"
"""The file beside it with what kharness alone reads; the same as `x-kharness` in the Compose file."""


@dataclass(frozen=True, slots=True)
class ComposeFolder:
    """A folder with a Compose file: both absolute. `COMPOSE_FILE` may name other files, which reading finds out."""

    path: Path
    file: Path


def compose_folder(path: Path) -> ComposeFolder | None:
    """Return the Compose project that a folder is, None where it has no Compose file."""
    for name in FILES:
        if (file := path / name).is_file():
            return ComposeFolder(path.absolute(), file.absolute())
    return None


def compose_folder_above(path: Path) -> ComposeFolder | None:
    """Return the nearest Compose project that a path is or lies in, as Compose itself looks upwards for its file."""
    return next((found for folder in (path, *path.parents) if (found := compose_folder(folder))), None)

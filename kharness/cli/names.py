"""Names of container directories, as a shell completes them: no engine is asked, and no settings are read."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kharness.cli.project import project_of
from kharness.errors import KharnessError
from kharness.settings.catalog import find_containers
from kharness.settings.sources import source_paths


def complete_names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names that begin so; none where configuration or folders cannot be read."""
    try:
        found = find_containers(source_paths(project=project_of(Path.cwd()), environ=os.environ))
    except (KharnessError, OSError):
        return []
    return [directory.name for directory in found.directories if directory.name.startswith(incomplete)]

"""Open the harness of the current directory, and choose containers by name.

Imports are as late as they can be: `kharness ps` needs a small part of what `kharness up` needs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kharness.cli.output import tell
from kharness.settings.project import find_project, project_of

if TYPE_CHECKING:
    from kharness.ops.harness import Harness
    from kharness.ops.project.view import View
    from kharness.settings.catalog import Catalog, ContainerDir
    from kharness.settings.host import HostSettings
    from kharness.settings.project import Project


def complete_names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete names of container directories, projects and services."""
    from kharness.cli.choice import complete  # noqa: PLC0415 - most commands complete nothing

    return [*complete(incomplete)]


name_argument = click.argument("name", shell_complete=complete_names)


def look_here() -> View:
    """Open a light view of production from the current directory."""
    from kharness.ops.project.plain_view import open_view  # noqa: PLC0415

    return open_view(folder=project_of(Path.cwd()), environ=os.environ, report=tell)


def open_here(*, start: bool = True) -> Harness:
    """Open the harness of the current directory; progress goes to standard error.

    That is its Compose project where it has no container directories. Without `start`, the installed engine is not
    started if none answers.
    """
    from kharness.cli.choice import open_compose_project  # noqa: PLC0415 - it imports this module
    from kharness.ops.opening import open_harness  # noqa: PLC0415
    from kharness.ops.project.targets import Targets  # noqa: PLC0415

    targets = Targets(cwd=Path.cwd(), environ=os.environ)
    if targets.here is not None and not targets.has_own:
        return open_compose_project(targets.here, start=start)
    host = None if start else host_here().model_copy(update={"start_engine": False})
    return open_harness(folder=project_of(Path.cwd()), environ=os.environ, report=tell, host=host)


def host_here() -> HostSettings:
    """Read the host's configuration for the current directory; no engine is needed."""
    from kharness.settings.host import load_host_settings  # noqa: PLC0415

    return load_host_settings(project=project_of(Path.cwd()), environ=os.environ)


def project_here(host: HostSettings) -> Project:
    """Return the project of the current directory. Raises `SettingsError` for an invalid name."""
    folder = project_of(Path.cwd())
    return find_project(folder=folder, said=host.project, environ=os.environ, source_paths=host.source_paths)


def open_to_act(*, dry_run: bool = False) -> Harness:
    """Open the harness for a command that changes production, and, without `dry_run`, first recover what is left."""
    harness = open_here()
    return harness if dry_run else recovered(harness)


def recovered(harness: Harness) -> Harness:
    """Finish or undo what an earlier command has left of a project, and return its harness."""
    from kharness.ops.release.recover import recover  # noqa: PLC0415

    recover(harness)
    return harness


def select(view: View, name: str) -> ContainerDir:
    """Return the directory of a name: on a terminal a prefix is enough, scripts must be exact."""
    return select_in(view.catalog, name)


def select_name(view: View, name: str) -> str:
    """Return the name of a directory, or of a container in production whose directory is gone, by its whole name."""
    if view.catalog.get(name) is None:
        from kharness.ops.project.identity import productions  # noqa: PLC0415

        if name and productions(view, name):
            return name
    return select(view, name).name


def select_in(catalog: Catalog, name: str) -> ContainerDir:
    """Return the directory of a name, without an engine."""
    return catalog.select(name, prefix=sys.stdin.isatty())

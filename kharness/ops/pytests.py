"""Pytest sessions over container directories, as processes of their own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from kharness.host.pytestini import pytest_ini
from kharness.plan.session import Place, session_line
from kharness.settings.catalog import ContainerDir


def session_of(
    directory: ContainerDir, flags: Sequence[str], *, project: Path | None, more: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the command line that tests a directory with the configuration of the project that a command is called in.

    Whatever folder it is called in; a directory of another source path is tested with the project's settings, too.
    """
    place = place_of(directory, project=project)
    return session_line(sys.executable, directory.path, flags, place=place, more=more)


def place_of(directory: ContainerDir, *, project: Path | None) -> Place:
    """Return where pytest begins: without a project, its own one above the directory must not be found either."""
    if project is None:
        return Place(root=directory.source_path)
    if directory.path.resolve().is_relative_to(project.resolve()):
        return Place(root=project)
    return Place(root=project, ini=pytest_ini(project))

"""What commands share: the harness of where they are called, and the choice of a container by its name.

What they open is imported as they do: what looks only needs a small part of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kharness.cli.project import project_of

if TYPE_CHECKING:
    from kharness.ops.harness import Harness
    from kharness.ops.view import View
    from kharness.report.released import Line
    from kharness.settings.catalog import Catalog, ContainerDir
    from kharness.settings.host import HostSettings

COLOURS = {"good": "green", "bad": "red", "doubtful": "yellow"}


def look_here() -> View:
    """Open what it takes to look at production from the current directory."""
    from kharness.ops.view import open_view  # noqa: PLC0415

    return open_view(project=project_of(Path.cwd()), environ=os.environ, report=tell)


def open_here() -> Harness:
    """Open the harness of the current directory; progress goes to standard error."""
    from kharness.ops.harness import open_harness  # noqa: PLC0415

    return open_harness(project=project_of(Path.cwd()), environ=os.environ, report=tell)


def host_here() -> HostSettings:
    """Read the host's configuration as it counts in the current directory; no engine is asked."""
    from kharness.settings.host import load_host_settings  # noqa: PLC0415

    return load_host_settings(project=project_of(Path.cwd()), environ=os.environ)


def open_to_act() -> Harness:
    """Open the harness for a command that changes production, and first take up what an earlier one left."""
    from kharness.ops.recover import recover  # noqa: PLC0415

    harness = open_here()
    recover(harness)
    return harness


def tell(who: str, what: str) -> None:
    """Print progress; details only for people."""
    if not what.startswith(" ") or sys.stderr.isatty():
        click.echo(f"{who or 'kharness'}: {what.strip()}", err=True)


def select(view: View, name: str) -> ContainerDir:
    """Return the directory that a name means: a prefix will do on a terminal, scripts must be exact."""
    return select_in(view.catalog, name)


def select_in(catalog: Catalog, name: str) -> ContainerDir:
    """Do the same where there is no engine."""
    return catalog.select(name, prefix=sys.stdin.isatty())


def show(lines: Iterable[Line]) -> None:
    """Print what a report says, in the colours of its tones."""
    for line in lines:
        click.secho(line.text, fg=COLOURS.get(line.tone))

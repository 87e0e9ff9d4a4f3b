"""`kharness is-up`."""

from __future__ import annotations

import sys
import time

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import look_here, select
from kharness.ops.present import present
from kharness.plan.life import why_not_up
from kharness.report.ps import life_text


@click.command()
@click.argument("name", shell_complete=complete_names)
def command(name: str) -> None:
    """Say whether container NAME is up.

    It runs, and its health check, where it has one, says nothing against it. Exit status: 0 it is up, 1 it is not.

    \b
    Examples:
      kharness is-up filewatchdock
      kharness is-up filewatchdock >/dev/null || echo it is down
    """
    view = look_here()
    directory = select(view, name)
    found = present(view, directory.name)
    said = life_text(found, now=time.time()) if found else "has no container"
    click.echo(f"{directory.name}: {said}")
    sys.exit(1 if found is None or why_not_up(found) else 0)

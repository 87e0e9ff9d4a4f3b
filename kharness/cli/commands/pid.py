"""`kharness pid`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import look_here, select
from kharness.ops.present import must_run


@click.command()
@click.argument("name", shell_complete=complete_names)
def command(name: str) -> None:
    """Print the process id of container NAME, as the engine's host sees it.

    It is that of its first process. Exit status 1: it does not run.

    \b
    Examples:
      kharness pid filewatchdock
      nsenter --net --target "$(kharness pid filewatchdock)" ss -tln
    """
    view = look_here()
    click.echo(must_run(view, select(view, name).name).pid)

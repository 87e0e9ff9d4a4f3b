"""`kharness veth`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import look_here, select
from kharness.ops.present import must_run
from kharness.ops.veth import veths


@click.command()
@click.argument("name", shell_complete=complete_names)
def command(name: str) -> None:
    """Print this host's interface that leads to container NAME, one a line if it is on several networks.

    Nothing is run in the container. Exit status 1: it does not run, has no interface of its own, or that cannot be
    seen, which takes root on the engine's host.

    \b
    Examples:
      kharness veth filewatchdock
      tcpdump -n -i "$(kharness veth filewatchdock)"
    """
    view = look_here()
    for interface in veths(view, must_run(view, select(view, name).name)):
        click.echo(interface)

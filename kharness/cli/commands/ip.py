"""`kharness ip`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import look_here, select
from kharness.errors import EngineError
from kharness.ops.present import must_run


@click.command()
@click.argument("name", shell_complete=complete_names)
def command(name: str) -> None:
    """Print the address of container NAME, one a line if it is on several networks.

    'kharness ips' says which network each is on. Exit status 1: it does not run, or has no address of its own.

    \b
    Examples:
      kharness ip filewatchdock
      ping "$(kharness ip filewatchdock)"
    """
    view = look_here()
    found = must_run(view, select(view, name).name)
    if not found.addresses:
        raise EngineError(f"{found.name}: has no address of its own; it may be on the host's network, or on none")
    for _, address in sorted(found.addresses.items()):
        click.echo(address)

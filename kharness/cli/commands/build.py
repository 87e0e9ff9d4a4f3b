"""`kharness build`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select
from kharness.ops.build import build


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--rebuild", is_flag=True, help="Build even if nothing changed, and renew what is pulled.")
def command(name: str, *, rebuild: bool) -> None:
    """Build the image of NAME as :latest, unless nothing changed.

    \b
    Examples:
      kharness build filewatchdock
      kharness build filewatchdock --rebuild
    """
    harness = open_here()
    directory = select(harness, name)
    built = build(harness, directory, harness.settings(directory), rebuild=rebuild)
    click.echo(built.image.id)

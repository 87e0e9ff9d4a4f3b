"""`kharness build`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select
from kharness.ops.build import build
from kharness.ops.foresee import would_build


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--rebuild", is_flag=True, help="Build even if nothing changed, and renew what is pulled.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(name: str, *, rebuild: bool, dry_run: bool) -> None:
    """Build the image of NAME as :latest, unless nothing changed.

    \b
    Examples:
      kharness build filewatchdock
      kharness build filewatchdock --rebuild
    """
    harness = open_here()
    directory = select(harness, name)
    if dry_run:
        told = would_build(harness, directory, harness.settings(directory), rebuild=rebuild)
        click.echo(f"{directory.name}: {told}")
        return
    built = build(harness, directory, harness.settings(directory), rebuild=rebuild)
    click.echo(built.image.id)

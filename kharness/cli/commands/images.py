"""`kharness images`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import look_here, select
from kharness.cli.table import print_table
from kharness.ops.ps import images
from kharness.report.ps import IMAGES, image_row


@click.command()
@click.argument("name", required=False, shell_complete=complete_names)
@click.option("--json", "as_json", is_flag=True, help="For programs: whole ids, sizes in bytes.")
def command(name: str | None, *, as_json: bool) -> None:
    """List the images of container NAME, or of all.

    What was built last, what is live, what was before, and what is kept of earlier releases; and which of them runs.

    \b
    Examples:
      kharness images filewatchdock
      kharness images --json
    """
    view = look_here()
    found = images(view, (select(view, name),) if name else view.catalog.directories)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
        return
    print_table(IMAGES, map(image_row, found))
    if not found:
        click.echo(f"{name or 'none of the container directories'}: no image is here", err=True)

"""`kharness up-all`."""

from __future__ import annotations

import sys

import click

from kharness.cli.opening import open_to_act
from kharness.ops.up import up_all


@click.command()
def command() -> None:
    """Launch what starts with the host and does not run.

    Every container with an `autostart`, wave by wave, from what is live. Exit status 1: something did not come up, or
    its settings cannot be read; the others did.

    \b
    Examples:
      kharness up-all
      KTOOLS_D_SRC_DIR=/srv/containers kharness up-all
    """
    harness = open_to_act()
    fleet, broken = harness.fleet()
    found = up_all(harness, fleet)
    for up in found:
        click.echo(f"{up.name}: {up.state}{f': {up.reason}' if up.reason else ''}", err=up.state == "failed")
    for error in broken:
        click.echo(str(error), err=True)
    failed = [up for up in found if up.state == "failed"]
    if not failed and not broken:
        click.echo("all ok")
    sys.exit(1 if failed or broken else 0)

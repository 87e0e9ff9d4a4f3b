"""`kharness reap`."""

from __future__ import annotations

import click

from kharness.cli.opening import open_here
from kharness.ops.reap import reap


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--kept", is_flag=True, help="Remove what --keep and --keep-failed left, and only that.")
def command(*, dry_run: bool, kept: bool) -> None:
    """Remove what dead test sessions left behind.

    Only objects with kharness's own test labels and a dead owner are removed.

    \b
    Examples:
      kharness reap --dry-run
      kharness reap --kept
    """
    found = reap(open_here(), dry_run=dry_run, kept=kept)
    for leftover in found:
        click.echo(f"{'would remove' if dry_run else 'removed'} {leftover}")
    if not found:
        click.echo("nothing to remove")

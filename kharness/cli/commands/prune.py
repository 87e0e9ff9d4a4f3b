"""`kharness prune`."""

from __future__ import annotations

import click

from kharness.cli.opening import open_here, open_to_act
from kharness.ops.prune import prune


@click.command()
@click.option("--keep", type=click.IntRange(min=1), help="How many releases of each stay; default: the host's.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def command(*, keep: int | None, dry_run: bool) -> None:
    """Remove images, and snapshots of data, of all but the last few releases.

    Builds that nothing names any more go, too. What is :latest, :live or :prev stays, so does what a container uses,
    and other people's images are left alone. Snapshots of data go after as many releases as 'release: {keep_data: N}'
    says.

    \b
    Examples:
      kharness prune --dry-run
      kharness prune --keep 3
    """
    harness = open_here() if dry_run else open_to_act()
    nothing = True
    for pruned in prune(harness, keep=keep, dry_run=dry_run):
        click.echo(f"{'would remove' if dry_run else 'removed'} {pruned.what} ({pruned.size / 1e6:.0f} MB)")
        nothing = False
    if nothing:
        click.echo("nothing to remove")

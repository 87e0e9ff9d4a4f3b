"""`kharness up`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, open_to_act, select
from kharness.ops.up import up
from kharness.plan.facts import short_id


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(name: str, *, dry_run: bool) -> None:
    """Launch container NAME from what is live, unless it runs.

    It is waited for until it is ready; if it does not become so, all is as it was before.

    \b
    Examples:
      kharness up filewatchdock
      kharness up filewatchdock --dry-run
    """
    harness = open_here() if dry_run else open_to_act()
    found = up(harness, select(harness, name), dry_run=dry_run)
    if found.state != "running":
        click.echo(f"{found.name}: {'would run' if dry_run else 'runs'} {short_id(found.image)}")
        return
    click.echo(f"{found.name}: runs {short_id(found.image)} already")
    if found.live not in {None, found.image}:
        click.echo(f"  note: {short_id(found.live)} is live; 'kharness run {found.name}' launches that")

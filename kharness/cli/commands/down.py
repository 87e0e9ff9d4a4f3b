"""`kharness down`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, open_to_act, select, show
from kharness.ops.down import down
from kharness.report.released import Line


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(name: str, *, dry_run: bool) -> None:
    """Stop container NAME; it stays stopped until it is started again.

    It has its stop_grace_period to end in order. It is not removed, and 'kharness up' launches a new one.

    \b
    Examples:
      kharness down filewatchdock
      kharness down filewatchdock --dry-run
    """
    harness = open_here() if dry_run else open_to_act()
    found = down(harness, select(harness, name).name, dry_run=dry_run)
    if not found.was_up:
        click.echo(f"{found.name}: does not run: {found.state}")
    else:
        click.echo(f"{found.name}: {'would be stopped' if dry_run else f'stopped: {found.state}'}")
    show(Line(f"  note: {note}", "doubtful") for note in found.notes)

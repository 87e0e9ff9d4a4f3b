"""`kharness restart`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, open_to_act, select, show
from kharness.ops.restart import restart
from kharness.report.released import Line


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(name: str, *, dry_run: bool) -> None:
    """Stop and start container NAME, and wait until it is ready.

    The same container, as 'docker restart' does: with its image and the settings that it was launched with. 'kharness
    run NAME' launches a new one, from what is live and with the settings of now.

    \b
    Examples:
      kharness restart filewatchdock
      kharness restart filewatchdock --dry-run
    """
    harness = open_here() if dry_run else open_to_act()
    found = restart(harness, select(harness, name), dry_run=dry_run)
    if found.seconds is None:
        click.echo(f"{found.name}: {found.container} would be restarted")
    else:
        click.echo(f"{found.name}: restarted, ready after {found.seconds:.1f} s")
    show(Line(f"  note: {note}", "doubtful") for note in found.notes)

"""`kharness logs`."""

from __future__ import annotations

import sys

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select
from kharness.cli.statuses import INTERRUPTED
from kharness.ops.logs import logs
from kharness.ops.present import must_be_there

COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_green")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_names)
@click.option("--follow", "-f", is_flag=True, help="Go on with what they say, until they end, or ctrl-c.")
@click.option("--tail", "-n", type=click.IntRange(min=0), help="Only so many of the last lines of each.")
@click.option("--timestamps", "-t", is_flag=True, help="With the time of each line.")
def command(names: tuple[str, ...], *, follow: bool, tail: int | None, timestamps: bool) -> None:
    """Show what containers have printed, stopped ones too.

    Those of several in the order of time, each line behind its container's name. What a container wrote to its standard
    error goes to standard error.

    \b
    Examples:
      kharness logs filewatchdock --tail 100
      kharness logs -f filewatchdock dnsdock
    """
    harness = open_here()
    chosen = dict.fromkeys(select(harness, name).name for name in names)
    containers = {name: must_be_there(harness, name) for name in chosen}
    width = max(map(len, containers))
    prefixes = {
        name: click.style(f"{name:<{width}} | ", fg=COLOURS[place % len(COLOURS)]) if len(containers) > 1 else ""
        for place, name in enumerate(containers)
    }
    try:
        for name, line in logs(harness, containers, tail=tail, follow=follow):
            click.echo(f"{prefixes[name]}{f'{line.at} ' if timestamps else ''}{line.text}", err=line.error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)

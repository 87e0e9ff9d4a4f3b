"""`kharness kill`."""

from __future__ import annotations

import re
import signal as signals

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, open_to_act, select
from kharness.ops.kill import kill

REAL_TIME = re.compile(r"RTM(IN\+|AX-)\d{1,2}")


def _signal(_context: click.Context, _option: click.Parameter, value: str) -> str:
    name = value.upper().removeprefix("SIG")
    if name.isdecimal() and int(name) in signals.valid_signals():
        return name
    if f"SIG{name}" not in signals.Signals.__members__ and not REAL_TIME.fullmatch(name):
        raise click.BadParameter(f"should be a signal such as HUP, SIGUSR1 or 15, not {value!r}")
    return name


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--signal", "-s", callback=_signal, default="KILL", show_default=True, help="Its name or number.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(name: str, *, signal: str, dry_run: bool) -> None:
    """Send a signal to the first process of container NAME.

    What ends by it stays ended, whatever its restart policy; 'kharness down' lets it end in order.

    \b
    Examples:
      kharness kill -s HUP filewatchdock
      kharness hup filewatchdock
    """
    harness = open_here() if dry_run else open_to_act()
    directory = select(harness, name)
    found = kill(harness, directory.name, signal, dry_run=dry_run)
    what = f"signal {signal}" if signal.isdecimal() else f"SIG{signal}"
    click.echo(f"{directory.name}: {what} {'would be' if dry_run else 'was'} sent to {found.name}")

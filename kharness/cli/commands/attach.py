"""`kharness attach`."""

from __future__ import annotations

import sys

import click

from kharness.cli.handover import hand_over, lend
from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select, tell
from kharness.ops.present import must_run


@click.command()
@click.argument("name", shell_complete=complete_names)
def command(name: str) -> None:
    """Attach this terminal to the first process of container NAME.

    With 'tty: true' and 'stdin_open: true' that is its console, which ctrl-p ctrl-q leaves; without, what it prints
    from now on, which ctrl-c leaves. The container goes on in either case, but what is typed goes to it.

    \b
    Examples:
      kharness attach filewatchdock
      kharness console filewatchdock
    """
    harness = open_here()
    directory = select(harness, name)
    found = must_run(harness, directory.name)
    said = found.raw.get("Config", {})
    takes = bool(said.get("OpenStdin")) and (sys.stdin.isatty() or not said.get("Tty"))
    words = ("attach", *(() if takes else ("--no-stdin",)), found.id)
    if takes and said.get("Tty"):
        tell(directory.name, "ctrl-p ctrl-q leaves, and lets it go on")
        hand_over(harness, words)
    what = "what is typed goes to it" if takes else "takes no input"
    tell(directory.name, f"{what}; what it prints is shown until ctrl-c")
    # A ctrl-c that is passed on would end production.
    sys.exit(lend(harness, (*words[:-1], "--sig-proxy=false", words[-1])))

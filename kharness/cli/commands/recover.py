"""`kharness recover`."""

from __future__ import annotations

import sys

import click

from kharness.cli.opening import open_here
from kharness.ops.recover import recover


@click.command()
def command() -> None:
    """Finish or undo releases that were cut short: by a crash, a power cut, an engine that went away.

    Every command that changes something does this first. Exit status 1: something is left, and is said.

    \b
    Examples:
      kharness recover
      sudo kharness recover
    """
    found = recover(open_here())
    for recovered in found:
        for left in recovered.left:
            click.echo(f"{recovered.operation.name}: {left}", err=True)
    if not found:
        click.echo("nothing to recover")
    sys.exit(1 if any(recovered.left and not recovered.kept for recovered in found) else 0)

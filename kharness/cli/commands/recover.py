"""`kharness recover`."""

from __future__ import annotations

import sys

import click

from kharness.cli.opening import open_here
from kharness.ops.foresee import would_recover
from kharness.ops.harness import Harness
from kharness.ops.rebuild import rebuild, would_rebuild
from kharness.ops.recover import recover


@click.command()
@click.option("--rebuild", "anew", is_flag=True, help="Begin a new ledger from the images' tags, where it is damaged.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(*, anew: bool, dry_run: bool) -> None:
    """Finish or undo releases that were cut short.

    By a crash, a power cut, an engine that went away. Every command that changes something does this first. Exit status
    1: something is left, and is said.

    \b
    Examples:
      kharness recover
      kharness recover --rebuild
    """
    harness = open_here()
    if dry_run:
        told = (would_rebuild(harness),) if anew else would_recover(harness)
        click.echo("\n".join(told) or "nothing to recover")
        return
    if anew:
        _rebuild(harness)
    found = recover(harness)
    for recovered in found:
        for left in recovered.left:
            click.echo(f"{recovered.operation.name}: {left}", err=True)
    if not found and not anew and not harness.state.operations():
        click.echo("nothing to recover")
    sys.exit(1 if any(recovered.left and not recovered.kept for recovered in found) else 0)


def _rebuild(harness: Harness) -> None:
    aside, entries = rebuild(harness)
    click.echo(f"the damaged ledger is now {aside}")
    click.echo(f"the new one knows of {len(entries)} images that were live; tests and verdicts are not known any more")

"""`kharness prep`."""

from __future__ import annotations

import sys

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select, show
from kharness.errors import KharnessError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.prep import prep
from kharness.ops.shift import shift_owners
from kharness.report.prepared import moved_lines, prepared_lines
from kharness.settings.catalog import ContainerDir


@click.command()
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="Every container directory.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--fix", is_flag=True, help="Change owners and modes that differ, too.")
@click.option("--shift-from", metavar="none|BASE", help="With --fix: move owners of all data from that id mapping.")
def command(names: tuple[str, ...], *, everything: bool, dry_run: bool, fix: bool, shift_from: str | None) -> None:
    """Make the directories and files that settings.yaml declares.

    What is there keeps its contents. Exit status 1: something differs or was refused.

    \b
    Examples:
      kharness prep filewatchdock --dry-run
      kharness prep --all --fix
    """
    if bool(names) is everything:
        raise UsageError("prep: should be told the names of container directories, or --all, and not both")
    if shift_from is not None and not (fix or dry_run):
        raise UsageError("prep: --shift-from changes owners of what is there: say --fix, or --dry-run to see how many")
    harness = open_here()
    chosen = harness.catalog.directories if everything else tuple(select(harness, name) for name in names)
    good = True
    for directory in chosen:
        try:
            good &= _prep(harness, directory, dry_run=dry_run, fix=fix, shift_from=shift_from, silent=everything)
        except KharnessError as error:
            if len(chosen) == 1:
                raise
            click.echo(f"kharness: {error}", err=True)
            good = False
    sys.exit(0 if good else 1)


def _prep(
    harness: Harness, directory: ContainerDir, *, dry_run: bool, fix: bool, shift_from: str | None, silent: bool
) -> bool:
    name, good = directory.name, True
    if shift_from is not None:
        moved = shift_owners(harness, directory, shift_from, dry_run=dry_run)
        show(moved_lines(name, moved, dry_run=dry_run))
        good = all(each.good for each in moved)
    found = prep(harness, directory, dry_run=dry_run, fix=fix)
    show(prepared_lines(name, found, dry_run=dry_run))
    if not found and shift_from is None and not silent:
        click.echo(f"{name}: nothing is declared to be prepared")
    return good and all(each.good for each in found)

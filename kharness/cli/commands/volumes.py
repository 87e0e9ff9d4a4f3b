"""`kharness volumes`."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select
from kharness.cli.table import print_table
from kharness.errors import SettingsError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.volumelist import volumes_of
from kharness.ops.volumeroot import accept_volume_root, check_volume_root
from kharness.plan.volumelist import DirectoryVolumes
from kharness.report.volumelist import SNAPSHOTS, VOLUMES, snapshot_row, volume_notes, volume_row, volumes_value


@click.command()
@click.argument("name", required=False, shell_complete=complete_names)
@click.option("--json", "as_json", is_flag=True, help="For programs: sizes in bytes, times in seconds since the epoch.")
@click.option("--accept-root", is_flag=True, help="Only take the volume root as it is now for the right one.")
@click.option("--dry-run", is_flag=True, help="With --accept-root: only say which it would be.")
def command(name: str | None, *, as_json: bool, accept_root: bool, dry_run: bool) -> None:
    """Show the volumes of container NAME, or of all, and the snapshots of data.

    What is declared and what a test gets in its place; what is there, whose, how much; what is kept of earlier data.
    Of all, those whose settings cannot be read are named on standard error.

    \b
    Examples:
      kharness volumes filewatchdock
      kharness volumes --accept-root
    """
    harness = open_here()
    if accept_root:
        _accept(harness, name, dry_run=dry_run)
        return
    check_volume_root(harness)
    broken: Mapping[str, SettingsError] = {}
    if name:
        found = [volumes_of(harness, select(harness, name))]
    else:
        fleet, broken = harness.fleet()
        found = [volumes_of(harness, directory) for directory in harness.catalog.directories if directory.name in fleet]
    if as_json:
        click.echo(json.dumps([volumes_value(each) for each in found], indent=2))
    for each in () if as_json else found:
        _show(each)
    for error in broken.values():
        click.echo(str(error), err=True)


def _accept(harness: Harness, name: str | None, *, dry_run: bool) -> None:
    if name:
        raise UsageError(f"--accept-root is about all containers, and says nothing of {name}")
    root = accept_volume_root(harness, dry_run=dry_run)
    click.echo(f"the volume root {'would be' if dry_run else 'is'} {root.path}, on the file system {root.filesystem}")


def _show(found: DirectoryVolumes) -> None:
    if not found.volumes and not found.snapshots:
        click.echo(f"{found.name}: no volumes")
        return
    click.echo(f"{found.name}:")
    print_table(VOLUMES, map(volume_row, found.volumes))
    print_table(SNAPSHOTS, map(snapshot_row, found.snapshots))
    for note in volume_notes(found):
        click.echo(note)

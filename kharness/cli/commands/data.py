"""The data of containers: volumes, directories, backups."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kharness.cli.choice import Opened, choose, choose_one, in_production, in_records, open_compose_project
from kharness.cli.choice import everything as all_projects
from kharness.cli.here import complete_names, name_argument, open_here
from kharness.cli.output import confirm, dry_run_option, duration, print_table, show
from kharness.errors import KharnessError, UsageError

if TYPE_CHECKING:
    from kharness.ops.harness import Harness
    from kharness.plan.volumes.snapshots import DirectoryVolumes
    from kharness.settings.catalog import ContainerDir


@click.command("volumes")
@click.argument("name", required=False, shell_complete=complete_names)
@click.option("--json", "as_json", is_flag=True, help="For programs: sizes in bytes, times in seconds since the epoch.")
@click.option("--accept-root", is_flag=True, help="Only record the present volume root as right.")
@click.option("--dry-run", is_flag=True, help="With --accept-root: only print it.")
def volumes_command(name: str | None, *, as_json: bool, accept_root: bool, dry_run: bool) -> None:
    """List volumes, and snapshots of their data.

    Of NAME, or of all: what is declared, and what a test gets instead; what exists, with owner and size; and snapshots
    of earlier data. Settings that cannot be read are reported on standard error.

    \b
    Examples:
      kharness volumes filewatchdock
      kharness volumes --accept-root
    """
    from kharness.ops.volumes.root import check_volume_root
    from kharness.ops.volumes.snapshots import volumes_of
    from kharness.report.volumes import volumes_value

    if accept_root:
        _accept_root(open_here(), name, dry_run=dry_run)
        return
    broken: list[KharnessError] = []
    found: list[DirectoryVolumes] = []
    if name:
        chosen = choose(name)
        check_volume_root(chosen.view)
        found = [_called(chosen, volumes_of(chosen.view, directory)) for directory in chosen.directories]
    else:
        known = all_projects(open_here, open_compose_project)
        broken += known.broken.values()
        for opened in known.opened:
            check_volume_root(opened.view)
            fleet, unread = opened.view.fleet()
            broken += unread.values()
            directories = [each for each in opened.view.catalog.directories if each.name in fleet]
            found += [_called(opened, volumes_of(opened.view, directory)) for directory in directories]
    if as_json:
        click.echo(json.dumps([volumes_value(each) for each in found], indent=2))
    for each in () if as_json else found:
        _print_volumes(each)
    for error in broken:
        click.echo(str(error), err=True)


def _called(opened: Opened[Harness], found: DirectoryVolumes) -> DirectoryVolumes:
    return replace(found, name=opened.called(found.name))


def _accept_root(harness: Harness, name: str | None, *, dry_run: bool) -> None:
    from kharness.ops.volumes.root import accept_volume_root

    if name:
        raise UsageError(f"--accept-root is about all containers, and says nothing of {name}")
    root = accept_volume_root(harness, dry_run=dry_run)
    click.echo(f"the volume root {'would be' if dry_run else 'is'} {root.path}, on the file system {root.filesystem}")


def _print_volumes(found: DirectoryVolumes) -> None:
    from kharness.report.volumes import SNAPSHOTS, VOLUMES, snapshot_row, volume_notes, volume_row

    if not found.volumes and not found.snapshots:
        click.echo(f"{found.name}: no volumes")
        return
    click.echo(f"{found.name}:")
    print_table(VOLUMES, map(volume_row, found.volumes))
    print_table(SNAPSHOTS, map(snapshot_row, found.snapshots))
    for note in volume_notes(found):
        click.echo(note)


@click.command("prep")
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="Every container directory.")
@dry_run_option
@click.option("--fix", is_flag=True, help="Change owners and modes that differ, too.")
@click.option("--shift-from", metavar="none|BASE", help="With --fix: move owners of all data from that id mapping.")
def prep_command(names: tuple[str, ...], *, everything: bool, dry_run: bool, fix: bool, shift_from: str | None) -> None:
    """Create the directories that settings declare.

    And files. Existing ones keep their contents. Exit status 1: something differs or was refused.

    \b
    Examples:
      kharness prep filewatchdock --dry-run
      kharness prep --all --fix
    """
    if bool(names) is everything:
        raise UsageError("prep: should be told the names of container directories, or --all, and not both")
    if shift_from is not None and not (fix or dry_run):
        raise UsageError("prep: --shift-from changes owners of what is there: say --fix, or --dry-run to see how many")
    if everything:
        harness = open_here()
        asked = [(harness, directory) for directory in harness.catalog.directories]
    else:
        asked = [(chosen.view, directory) for chosen in map(choose, names) for directory in chosen.directories]
    good = True
    for harness, directory in asked:
        try:
            good &= _prep(harness, directory, dry_run=dry_run, fix=fix, shift_from=shift_from, silent=everything)
        except KharnessError as error:
            if len(asked) == 1:
                raise
            click.echo(f"kharness: {error}", err=True)
            good = False
    sys.exit(0 if good else 1)


def _prep(
    harness: Harness, directory: ContainerDir, *, dry_run: bool, fix: bool, shift_from: str | None, silent: bool
) -> bool:
    from kharness.ops.volumes.prep import prep, shift_owners
    from kharness.report.volumes import moved_lines, prepared_lines

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


@click.command("backup")
@name_argument
@click.option("--to", type=click.Path(path_type=Path), metavar="PLACE", help="A directory, or a new file *.tar.")
@click.option("--max-freeze", callback=duration, metavar="TIME", help="How long production may stand still; 10m.")
@click.option("--dry-run", is_flag=True, help="Only print what would be in it, and where.")
def backup_command(name: str, *, to: Path | None, max_freeze: float | None, dry_run: bool) -> None:
    """Write all data of NAME to one tar file.

    DV/NAME, named and anonymous volumes, with a manifest and checksums. Containers that write to them are paused while
    they are read, or, on btrfs and where files share blocks, only for a snapshot. Mounts from elsewhere are named, and
    not in it.

    \b
    Examples:
      kharness backup filewatchdock
      kharness backup filewatchdock --to /mnt/usb
    """
    from kharness.ops.volumes.backup import MOST, backup, would_back_up
    from kharness.report.volumes import backup_lines

    # The data of what was retired are there as well.
    chosen = choose_one(
        name, act=True, dry_run=dry_run, gone=lambda view, name: in_records(view, name) or in_production(view, name)
    )
    harness, name = chosen.view, chosen.name
    now = time.time()
    if dry_run:
        found = would_back_up(harness, name, to=to, now=now)
    else:
        found = backup(harness, name, to=to, most=max_freeze or MOST, now=now)
    show(backup_lines(found.manifest, found.path, size=found.size, notes=found.notes, dry_run=dry_run))


@click.command("restore")
@name_argument
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--snapshot", metavar="ID", help="The data of a snapshot instead of a file.")
@click.option("--foreign", is_flag=True, help="Accept a backup of another container or project.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Check the file, and only print what would be done.")
def restore_command(
    name: str, file: Path | None, *, snapshot: str | None, foreign: bool, yes: bool, dry_run: bool
) -> None:
    """Replace the data of NAME by those of a backup.

    Every byte of FILE is checked first. The present data are kept as a snapshot, and come back if production does not
    become ready with the restored ones. Without a container only the data are replaced.

    \b
    Examples:
      kharness restore filewatchdock /mnt/usb/filewatchdock-20261130-101500.tar
      kharness restore filewatchdock --snapshot 3f2a9c01b7de
    """
    from kharness.ops.volumes.restore import plan_restoration, restore
    from kharness.report.volumes import restoration_lines, restored_lines

    if (file is None) is (snapshot is None):
        raise UsageError("restore: should be told a file, or a snapshot with --snapshot, and not both")
    chosen = choose_one(name, act=True, dry_run=dry_run)
    harness, directory = chosen.view, chosen.directory
    found = plan_restoration(
        harness, directory, file=file.absolute() if file else None, snapshot=snapshot or "", foreign=foreign
    )
    said = tuple(restoration_lines(found.question))
    if dry_run:
        show(said)
        return
    confirm(directory.name, "\n".join(line.text for line in said), "restore it", yes=yes)
    show(restored_lines(restore(harness, directory, found)))

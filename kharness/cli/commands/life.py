"""Rename and retire containers, and remove what dead test sessions left."""

from __future__ import annotations

import click

from kharness.cli.here import complete_names, name_argument, open_here, open_to_act
from kharness.cli.output import confirm, dry_run_option, show


@click.command("rename")
@click.argument("old", shell_complete=complete_names)
@click.argument("new", shell_complete=complete_names)
@dry_run_option
def rename_command(old: str, new: str, *, dry_run: bool) -> None:
    """Move history, images and data to a new name.

    For a container directory that was, or will be, renamed from OLD to NEW. Production of OLD must be down; its stopped
    container is removed at the end, and 'kharness up NEW' launches it again. Refused where NEW has data, production or
    releases of its own.

    \b
    Examples:
      kharness rename filewatchdock watchdock --dry-run
      kharness rename filewatchdock watchdock
    """
    from kharness.ops.project.rename import rename
    from kharness.report.project import renaming_lines

    harness = open_to_act(dry_run=dry_run)
    show(renaming_lines(rename(harness, old, new, dry_run=dry_run), dry_run=dry_run))


@click.command("retire")
@name_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option
def retire_command(name: str, *, yes: bool, dry_run: bool) -> None:
    """End NAME for good; keep its data and history.

    Production is stopped within its stop_grace_period and removed, and its images lose their tags. Volumes and
    snapshots are never removed; the commands that remove them are printed. The directory may be gone already. Refused
    while other containers need NAME.

    \b
    Examples:
      kharness retire filewatchdock --dry-run
      kharness retire filewatchdock --yes
    """
    from kharness.ops.project.retire import retire
    from kharness.report.project import retirement_lines, summary

    harness = open_to_act(dry_run=dry_run)
    planned = retire(harness, name, dry_run=True)
    if not dry_run and planned.ended is None:
        confirm(name, summary(planned), "retire it", yes=yes)
        planned = retire(harness, name)
    show(retirement_lines(planned, dry_run=dry_run))


@click.command("reap")
@click.option("--dry-run", is_flag=True, help="Only print what would be removed.")
@click.option("--kept", is_flag=True, help="Remove what --keep and --keep-failed left, and only that.")
def reap_command(*, dry_run: bool, kept: bool) -> None:
    """Remove what dead test sessions left behind.

    Only objects with kharness's test labels and a dead owner are removed.

    \b
    Examples:
      kharness reap --dry-run
      kharness reap --kept
    """
    from kharness.ops.session.reap import reap

    found = reap(open_here(), dry_run=dry_run, kept=kept)
    for leftover in found:
        click.echo(f"{'would remove' if dry_run else 'removed'} {leftover}")
    if not found:
        click.echo("nothing to remove")

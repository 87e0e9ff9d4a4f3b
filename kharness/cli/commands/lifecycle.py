"""Start, stop, rename and retire one container, send it a signal, and remove what dead test sessions left."""

from __future__ import annotations

import re
import signal as signals
from typing import TYPE_CHECKING

import click

from kharness.cli.choice import Chosen, choose, choose_one, each, in_production, in_records
from kharness.cli.here import complete_names, name_argument, open_here, open_to_act
from kharness.cli.output import confirm, dry_run_option, show
from kharness.ops.launch.up import Up, up
from kharness.ops.project.production import present
from kharness.ops.project.untested import release_untested
from kharness.ops.release.stopping import down, kill, restart
from kharness.plan.facts import short_id
from kharness.report.release import Line

if TYPE_CHECKING:
    from kharness.ops.harness import Harness


@click.command("up")
@name_argument
@click.option("--untested", is_flag=True, help="Launch what no session has passed; recorded.")
@dry_run_option
def up_command(name: str, *, untested: bool, dry_run: bool) -> None:
    """Launch NAME from :live, unless it runs.

    What it depends on is launched first. The command waits until NAME is ready; if it does not become ready, everything
    is put back. NAME may be a Compose project: then all its services, in the order of their dependencies.

    \b
    Examples:
      kharness up filewatchdock
      kharness up shop/web --dry-run
    """
    chosen = choose(name, act=True, dry_run=dry_run)

    def launch(name: str) -> None:
        directory = chosen.view.catalog.select(name, prefix=False)
        if untested and chosen.project is not None:
            fresh = False
            for released, what in release_untested(chosen.view, directory, needs=not chosen.whole, dry_run=dry_run):
                click.echo(f"{chosen.called(released)}: {what}", err=True)
                fresh |= released == name
            if fresh and dry_run:
                return
        _print_up(chosen, up(chosen.view, directory, dry_run=dry_run, untested=untested), dry_run=dry_run)

    each(chosen, launch, held=True)


def _print_up(chosen: Chosen[Harness], found: Up, *, dry_run: bool) -> None:
    name = chosen.called(found.name)
    if found.state != "running":
        click.echo(f"{name}: {'would run' if dry_run else 'runs'} {short_id(found.image)}")
    else:
        click.echo(f"{name}: runs {short_id(found.image)} already")
    show(Line(f"  note: {note}", "doubtful") for note in found.notes)


@click.command("down")
@name_argument
@dry_run_option
def down_command(name: str, *, dry_run: bool) -> None:
    """Stop NAME until it is started by its name.

    It has its stop_grace_period to end in order. It is not removed; 'kharness up' launches a new one. Commands over
    many containers, and a reboot, leave it stopped. Of a Compose project, dependents are stopped first.

    \b
    Examples:
      kharness down filewatchdock
      kharness down shop --dry-run
    """
    chosen = choose(name, act=True, dry_run=dry_run, gone=in_production)

    def stop(name: str) -> None:
        called = chosen.called(name)
        if chosen.whole and present(chosen.view, name) is None:
            click.echo(f"{called}: has no container")
            return
        found = down(chosen.view, name, dry_run=dry_run)
        if not found.was_up:
            click.echo(f"{called}: does not run: {found.state}")
        else:
            click.echo(f"{called}: {'would be stopped' if dry_run else f'stopped: {found.state}'}")
        show(Line(f"  note: {note}", "doubtful") for note in found.notes)

    each(chosen, stop, backwards=True)


@click.command("restart")
@name_argument
@dry_run_option
def restart_command(name: str, *, dry_run: bool) -> None:
    """Restart NAME and wait until it is ready.

    The same container, as 'docker restart' does: with its image and the settings that it was launched with. 'kharness
    run NAME' launches a new one, from :live and with the present settings.

    \b
    Examples:
      kharness restart filewatchdock
      kharness restart filewatchdock --dry-run
    """
    chosen = choose(name, act=True, dry_run=dry_run)

    def again(name: str) -> None:
        found = restart(chosen.view, chosen.view.catalog.select(name, prefix=False), dry_run=dry_run)
        if found.seconds is None:
            click.echo(f"{chosen.called(name)}: {found.container} would be restarted")
        else:
            click.echo(f"{chosen.called(name)}: restarted, ready after {found.seconds:.1f} s")
        show(Line(f"  note: {note}", "doubtful") for note in found.notes)

    each(chosen, again, held=True)


REAL_TIME = re.compile(r"RTM(IN\+|AX-)\d{1,2}")


def _signal(_context: click.Context, _option: click.Parameter, value: str) -> str:
    name = value.upper().removeprefix("SIG")
    if name.isdecimal() and int(name) in signals.valid_signals():
        return name
    if f"SIG{name}" not in signals.Signals.__members__ and not REAL_TIME.fullmatch(name):
        raise click.BadParameter(f"should be a signal such as HUP, SIGUSR1 or 15, not {value!r}")
    return name


@click.command("kill")
@name_argument
@click.option("--signal", "-s", callback=_signal, default="KILL", show_default=True, help="Its name or number.")
@dry_run_option
def kill_command(name: str, *, signal: str, dry_run: bool) -> None:
    """Send a signal to the first process of NAME.

    A container that ends by it stays stopped, under any restart policy; 'kharness down' stops it in order.

    \b
    Examples:
      kharness kill -s HUP filewatchdock
      kharness hup filewatchdock
    """
    chosen = choose(name, act=True, dry_run=dry_run, gone=in_production)
    what = f"signal {signal}" if signal.isdecimal() else f"SIG{signal}"

    def send(name: str) -> None:
        found = kill(chosen.view, name, signal, dry_run=dry_run)
        click.echo(f"{chosen.called(name)}: {what} {'would be' if dry_run else 'was'} sent to {found.name}")

    each(chosen, send, backwards=True)


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

    # A name alone is one of this folder's, whether or not anything but records of it is left.
    service = choose_one(name, act=True, dry_run=dry_run, gone=in_records) if "/" in name else None
    harness = service.view if service else open_to_act(dry_run=dry_run)
    name = service.name if service else name
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

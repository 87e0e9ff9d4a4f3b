"""`kharness rollback`."""

from __future__ import annotations

import sys

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, open_to_act, select, show
from kharness.errors import UsageError
from kharness.ops.harness import Harness
from kharness.ops.rollback import Restoration, choose, choose_data, roll_back
from kharness.plan.facts import short_id
from kharness.report.amounts import time_text, writes_text
from kharness.report.released import released_lines


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--to", metavar="ID", help="The beginning of an image's id, or a tag release-...; default: the last one.")
@click.option("--data", is_flag=True, help="Put back the data, too, as that image left them.")
@click.option("--yes", is_flag=True, help="With --data: do not ask before later writes are discarded.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(name: str, *, to: str | None, data: bool, yes: bool, dry_run: bool) -> None:
    """Let production of NAME run an image that was live before.

    The settings are those of now. It is verified in place like a launch; if it is not fit, what runs now comes back.
    See 'kharness history NAME'. With --data what was written to the volume directory since is discarded, which is said
    first; the present data are kept as a snapshot. See 'kharness volumes NAME'.

    \b
    Examples:
      kharness rollback filewatchdock --to 60ede732
      kharness rollback database --data
    """
    harness = open_here() if dry_run else open_to_act()
    directory = select(harness, name)
    if dry_run:
        _foresee(harness, directory.name, to, data=data)
        return
    restoration = choose_data(harness, directory.name, to) if data else None
    if restoration is not None:
        _confirm(directory.name, restoration, yes=yes)
    released = roll_back(harness, directory, to=to, data=restoration)
    show(released_lines(released))
    sys.exit(0 if released.ok else 1)


def _foresee(harness: Harness, name: str, to: str | None, *, data: bool) -> None:
    restoration = choose_data(harness, name, to) if data else None
    image = restoration.image if restoration else choose(harness, name, to)
    if restoration is not None:
        click.echo(f"{name}: {_discarded(restoration)}")
    live = harness.engine.image(harness.tags(name).live)
    now = f"{short_id(live.id)} is live" if live else "nothing is live"
    click.echo(f"{name}: {short_id(image.id)} would be launched; {now} now")


def _discarded(restoration: Restoration) -> str:
    since = time_text(restoration.snapshot.at)
    return (
        f"back to image {short_id(restoration.image.id)} with the data of {since}; "
        f"this discards what was written since: {writes_text(restoration.writes)}"
    )


def _confirm(name: str, restoration: Restoration, *, yes: bool) -> None:
    click.echo(f"{name}: {_discarded(restoration)}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{name}: nobody can be asked here; say --yes to discard that")
    click.confirm("discard that", abort=True, err=True)

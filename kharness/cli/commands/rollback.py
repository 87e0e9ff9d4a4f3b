"""`kharness rollback`."""

from __future__ import annotations

import sys

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_to_act, select, show
from kharness.errors import UsageError
from kharness.ops.rollback import Restoration, choose_data, roll_back
from kharness.plan.facts import short_id
from kharness.report.amounts import time_text, writes_text
from kharness.report.released import released_lines


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--to", metavar="ID", help="The beginning of an image's id, or a tag release-...; default: the last one.")
@click.option("--data", is_flag=True, help="Put back the data, too, as that image left them.")
@click.option("--yes", is_flag=True, help="With --data: do not ask before later writes are discarded.")
def command(name: str, *, to: str | None, data: bool, yes: bool) -> None:
    """Let production of NAME run an image that was live before.

    The settings are those of now. It is verified in place like a launch; if it is not fit, what runs now comes back.
    See 'kharness history NAME'. With --data what was written to the volume directory since is discarded, which is said
    first; the present data are kept as a snapshot. See 'kharness volumes NAME'.

    \b
    Examples:
      kharness rollback filewatchdock --to 60ede732
      kharness rollback database --data
    """
    harness = open_to_act()
    directory = select(harness, name)
    restoration = choose_data(harness, directory.name, to) if data else None
    if restoration is not None:
        _confirm(directory.name, restoration, yes=yes)
    released = roll_back(harness, directory, to=to, data=restoration)
    show(released_lines(released))
    sys.exit(0 if released.ok else 1)


def _confirm(name: str, restoration: Restoration, *, yes: bool) -> None:
    since = time_text(restoration.snapshot.at)
    click.echo(
        f"{name}: back to image {short_id(restoration.image.id)} with the data of {since}; "
        f"this discards what was written since: {writes_text(restoration.writes)}",
        err=True,
    )
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{name}: nobody can be asked here; say --yes to discard that")
    click.confirm("discard that", abort=True, err=True)

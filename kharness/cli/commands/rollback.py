"""`kharness rollback`."""

from __future__ import annotations

import sys

import click

from kharness.cli.opening import open_to_act, select, show
from kharness.ops.rollback import roll_back
from kharness.report.released import released_lines


@click.command()
@click.argument("name")
@click.option("--to", metavar="ID", help="The beginning of an image's id, or a tag release-...; default: the last one.")
def command(name: str, *, to: str | None) -> None:
    """Let production of NAME run an image that was live before.

    The settings are those of now. It is verified in place like a launch; if it is not fit, what runs now comes back.
    See 'kharness history NAME'.

    \b
    Examples:
      kharness rollback filewatchdock
      kharness rollback filewatchdock --to 60ede732
    """
    harness = open_to_act()
    released = roll_back(harness, select(harness, name), to=to)
    show(released_lines(released))
    sys.exit(0 if released.ok else 1)

"""`kharness enter`."""

from __future__ import annotations

import click

from kharness.cli.handover import hand_over, terminal_words
from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select
from kharness.ops.present import must_run
from kharness.ops.shells import shell_of_container


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--user", "-u", default="0", help="Be that user; default: root.")
def command(name: str, *, user: str) -> None:
    """Open a shell in the running container NAME, as root.

    As root of the container, with no more capabilities than it has. The exit status is that of the shell.

    \b
    Examples:
      kharness enter filewatchdock
      kharness enter filewatchdock --user nobody
    """
    harness = open_here()
    directory = select(harness, name)
    found = must_run(harness, directory.name)
    shell = shell_of_container(harness, directory.name, found.id)
    hand_over(harness, ("exec", *terminal_words(), "--user", user, found.id, *shell))

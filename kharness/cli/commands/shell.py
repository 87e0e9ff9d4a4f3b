"""`kharness shell`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select
from kharness.cli.shells import open_shell


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--volumes", is_flag=True, help="With production's own volumes and devices, as production has them.")
@click.option("--user", "-u", help="Be that user; default: the one that production runs as.")
@click.option("--dry-run", is_flag=True, help="Print the docker command and start nothing.")
def command(name: str, *, volumes: bool, user: str | None, dry_run: bool) -> None:
    """Start the live image of NAME with a shell instead of its program.

    A container of its own, beside production: with its rights, variables and networks, without its name, ports,
    secrets, env_file and, unless they are asked for, volumes. It is removed when the shell ends.

    \b
    Examples:
      kharness shell filewatchdock
      kharness shell filewatchdock --user root --volumes
    """
    harness = open_here()
    directory = select(harness, name)
    open_shell(harness, directory, harness.settings(directory), volumes=volumes, user=user, dry_run=dry_run)

"""`kharness exec`."""

from __future__ import annotations

import click

from kharness.cli.handover import hand_over, terminal_words
from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select
from kharness.errors import UsageError
from kharness.ops.present import must_run


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("name", shell_complete=complete_names)
@click.argument("words", nargs=-1, required=True, metavar="CMD...")
@click.option("--user", "-u", help="Run it as that user; default: the container's.")
@click.option("--workdir", "-w", help="Run it in that directory.")
@click.option("--env", "-e", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable; may be repeated.")
def command(
    name: str, words: tuple[str, ...], *, user: str | None, workdir: str | None, variables: tuple[str, ...]
) -> None:
    """Run CMD in the running container NAME.

    With a terminal where there is one, and with standard input. The exit status is that of CMD.

    \b
    Examples:
      kharness exec filewatchdock ls -l /etc
      kharness exec -u root filewatchdock cat /etc/shadow
    """
    if words[0] == "--":
        words = words[1:]
    if not words:
        raise UsageError("exec: should be told a command after the container's name")
    harness = open_here()
    found = must_run(harness, select(harness, name).name)
    said = {"--user": user, "--workdir": workdir}
    options = [word for option, value in said.items() if value for word in (option, value)]
    options += [word for variable in variables for word in ("--env", variable)]
    hand_over(harness, ("exec", *terminal_words(), *options, found.id, *words))

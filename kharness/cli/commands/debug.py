"""`kharness debug`."""

from __future__ import annotations

import shlex

import click

from kharness.cli.handover import PROGRAM, hand_over, is_terminal
from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select, tell
from kharness.ops.debug import debug


class NameFirst(click.Command):
    """Takes its own options behind the first argument as well, but none behind the second: they are CMD's."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Put the options before the name."""
        return super().parse_args(context, _name_last(args, takes_value={"--image", "-i"}))


def _name_last(args: list[str], *, takes_value: set[str]) -> list[str]:
    if not args or args[0].startswith("-"):
        return args
    name, *rest = args
    options: list[str] = []
    while rest and rest[0].startswith("-") and rest[0] != "--":
        taken = 2 if rest[0] in takes_value else 1
        options, rest = [*options, *rest[:taken]], rest[taken:]
    return [*options, name, *rest]


@click.command(cls=NameFirst, context_settings={"allow_interspersed_args": False})
@click.argument("name", shell_complete=complete_names)
@click.argument("words", nargs=-1, metavar="[CMD...]")
@click.option("--image", "-i", metavar="REF", help="Where tools come from; default: this host's base image.")
@click.option("--dry-run", is_flag=True, help="Print the docker command; the image is fetched for that.")
def command(name: str, words: tuple[str, ...], *, image: str | None, dry_run: bool) -> None:
    """Look into the running container NAME with the tools of another image.

    For a container that has no shell. A container of its own joins processes, network and ipc of NAME, whose files are
    below /proc/1/root, and goes with its shell, or CMD. NAME itself is not changed.

    \b
    Examples:
      kharness debug filewatchdock
      kharness debug filewatchdock --image nicolaka/netshoot ss -tlpn
    """
    harness = open_here()
    directory = select(harness, name)
    said = debug(harness, directory.name, words[1:] if words[:1] == ("--",) else words, image=image, tty=is_terminal())
    if dry_run:
        click.echo(shlex.join((PROGRAM, *said)))
        return
    tell(directory.name, "its files are below /proc/1/root; what is written there stays, all else goes with this")
    hand_over(harness, said)

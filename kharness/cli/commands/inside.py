"""Commands, shells and tools in a running container, and what it prints."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from kharness.cli.choice import choose, choose_one, in_production
from kharness.cli.handover import PROGRAM, hand_over, is_terminal, lend, terminal_words
from kharness.cli.here import complete_names, name_argument
from kharness.cli.output import shown_line, tell
from kharness.cli.streams import INTERRUPTED
from kharness.errors import UsageError
from kharness.ops.project.production import must_be_there, must_run, present

if TYPE_CHECKING:
    from kharness.plan.facts import ContainerFacts


@click.command("exec", context_settings={"allow_interspersed_args": False})
@name_argument
@click.argument("words", nargs=-1, required=True, metavar="CMD...")
@click.option("--interactive", "-i", is_flag=True, help="As docker has it: standard input is always there.")
@click.option("--tty", "-t", is_flag=True, help="As docker has it: there is a terminal where you have one.")
@click.option("--user", "-u", help="Run it as that user; default: the container's.")
@click.option("--workdir", "-w", help="Run it in that directory.")
@click.option("--env", "-e", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable; may be repeated.")
def exec_command(
    name: str,
    words: tuple[str, ...],
    *,
    interactive: bool,
    tty: bool,
    user: str | None,
    workdir: str | None,
    variables: tuple[str, ...],
) -> None:
    """Run a command in NAME.

    With a terminal where there is one, and with standard input. The exit status is that of CMD.

    \b
    Examples:
      kharness exec filewatchdock ls -l /etc
      kharness exec -u root filewatchdock cat /etc/shadow
    """
    del interactive, tty  # neither adds anything, and both are typed by habit
    if words[0] == "--":
        words = words[1:]
    if not words:
        raise UsageError("exec: should be told a command after the container's name")
    chosen = choose_one(name, gone=in_production)
    harness = chosen.view
    found = must_run(harness, chosen.name)
    said = {"--user": user, "--workdir": workdir}
    options = [word for option, value in said.items() if value for word in (option, value)]
    options += [word for variable in variables for word in ("--env", variable)]
    hand_over(harness, ("exec", *terminal_words(), *options, found.id, *words))


@click.command("enter")
@name_argument
@click.option("--user", "-u", default="0", help="Be that user; default: root.")
def enter_command(name: str, *, user: str) -> None:
    """Open a shell in NAME, as root.

    With no more capabilities than the container has. The exit status is that of the shell.

    \b
    Examples:
      kharness enter filewatchdock
      kharness enter filewatchdock --user nobody
    """
    from kharness.ops.session.debug import shell_of_container

    chosen = choose_one(name, gone=in_production)
    harness, name = chosen.view, chosen.name
    found = must_run(harness, name)
    shell = shell_of_container(harness, name, found.id)
    hand_over(harness, ("exec", *terminal_words(), "--user", user, found.id, *shell))


@click.command("attach")
@name_argument
def attach_command(name: str) -> None:
    """Attach this terminal to NAME's first process.

    With 'tty: true' and 'stdin_open: true' this is its console, which ctrl-p ctrl-q leaves; otherwise its output from
    now on, which ctrl-c leaves. The container goes on in both cases, but gets what you type.

    \b
    Examples:
      kharness attach filewatchdock
      kharness console filewatchdock
    """
    chosen = choose_one(name, gone=in_production)
    harness, name = chosen.view, chosen.name
    found = must_run(harness, name)
    said = found.raw.get("Config", {})
    takes = bool(said.get("OpenStdin")) and (sys.stdin.isatty() or not said.get("Tty"))
    words = ("attach", *(() if takes else ("--no-stdin",)), found.id)
    if takes and said.get("Tty"):
        tell(name, "ctrl-p ctrl-q leaves, and lets it go on")
        hand_over(harness, words)
    what = "what is typed goes to it" if takes else "takes no input"
    tell(name, f"{what}; what it prints is shown until ctrl-c")
    # A ctrl-c that is passed on would end production.
    sys.exit(lend(harness, (*words[:-1], "--sig-proxy=false", words[-1])))


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


@click.command("debug", cls=NameFirst, context_settings={"allow_interspersed_args": False})
@name_argument
@click.argument("words", nargs=-1, metavar="[CMD...]")
@click.option("--image", "-i", metavar="REF", help="Where tools come from; default: this host's base image.")
@click.option("--dry-run", is_flag=True, help="Print the docker command; the image is fetched for that.")
def debug_command(name: str, words: tuple[str, ...], *, image: str | None, dry_run: bool) -> None:
    """Enter NAME with the tools of another image.

    For a container that has no shell. A second container joins processes, network and ipc of NAME, whose files are
    below /proc/1/root, and is removed when its shell, or CMD, ends. NAME itself is not changed.

    \b
    Examples:
      kharness debug filewatchdock
      kharness debug filewatchdock --image nicolaka/netshoot ss -tlpn
    """
    from kharness.ops.session.debug import debug

    chosen = choose_one(name, gone=in_production)
    harness, name = chosen.view, chosen.name
    said = debug(harness, name, words[1:] if words[:1] == ("--",) else words, image=image, tty=is_terminal())
    if dry_run:
        click.echo(shlex.join((PROGRAM, *said)))
        return
    tell(name, "its files are below /proc/1/root; what is written there stays, all else goes with this")
    hand_over(harness, said)


PREFIX_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_green")


@click.command("logs")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_names)
@click.option("--follow", "-f", is_flag=True, help="Follow the output until they end, or ctrl-c.")
@click.option("--tail", "-n", type=click.IntRange(min=0), help="Only so many of the last lines of each.")
@click.option("--timestamps", "-t", is_flag=True, help="With the time of each line.")
def logs_command(names: tuple[str, ...], *, follow: bool, tail: int | None, timestamps: bool) -> None:
    """Show the output of containers.

    Of stopped ones, too, and of all services of a Compose project. Lines of several containers are sorted by time, and
    begin with the container's name. What a container wrote to standard error goes to standard error.

    \b
    Examples:
      kharness logs filewatchdock --tail 100
      kharness logs -f filewatchdock dnsdock
    """
    from kharness.ops.host.logs import logs

    containers: dict[str, ContainerFacts] = {}
    for text in names:
        chosen = choose(text, gone=in_production)
        # Whose harness reads them does not matter: all of this host's production is on one engine.
        harness = chosen.view
        for name in chosen.names:
            found = present(harness, name) if chosen.whole else must_be_there(harness, name)
            if found is not None:
                containers[chosen.called(name)] = found
    if not containers:
        raise UsageError(f"{', '.join(names)}: no service has a container")
    width = max(map(len, containers))
    prefixes = {
        name: click.style(f"{name:<{width}} | ", fg=PREFIX_COLOURS[place % len(PREFIX_COLOURS)])
        if len(containers) > 1
        else ""
        for place, name in enumerate(containers)
    }
    try:
        for name, line in logs(harness, containers, tail=tail, follow=follow):
            click.echo(f"{prefixes[name]}{f'{line.at} ' if timestamps else ''}{shown_line(line)}", err=line.error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)

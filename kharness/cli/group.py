"""The group of all commands, which imports only the module of the command that is run."""

from __future__ import annotations

import os
import re
import sys
from difflib import get_close_matches
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from kharness.cli.names import ALIASES, COMMANDS, DOCKERS, MODULES
from kharness.errors import UsageError

NEAREST = 3
"""Suggestions for an unknown name, at most."""
ALIKE = 0.6
"""Similarity, from 0 to 1, from which on a name is suggested."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def expanded(words: list[str]) -> list[str]:
    """Return a command line without its short form."""
    return [*ALIASES.get(words[0], words[:1]), *words[1:]] if words else []


def aliases_of(command: str) -> tuple[str, ...]:
    """Return the short forms that begin with a command."""
    return tuple(alias for alias, words in ALIASES.items() if words[0] == command)


def docker_answer(words: list[str]) -> str:
    """Return the answer to a command of docker's that kharness does not have; empty for any other word."""
    said = DOCKERS.get(words[0], "") if words else ""
    # Docker's options come before the name.
    named = [word for word in words[1:] if _NAME.fullmatch(word)]
    return f"{words[0]}: {said.format(name=named[-1] if named else 'NAME')}" if said else ""


def nearest(word: str, commands: list[str]) -> tuple[str, ...]:
    """Return the commands with the most similar names or short forms, the likeliest first."""
    found = get_close_matches(word, [*commands, *ALIASES], n=NEAREST, cutoff=ALIKE)
    meant = [name for name in commands if len(word) > 1 and name.startswith(word)]
    return tuple(dict.fromkeys([*meant, *(ALIASES.get(name, (name,))[0] for name in found)]))[:NEAREST]


WIDEST = 120
"""Columns of help at the most: longer lines are hard to read."""
NARROW = 70
"""Columns below which short forms have a line of their own in the help."""
LONGEST = max(map(len, MODULES))


class Summaries(click.Group):
    """Folds summaries that are longer than a line, where click cuts them off."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with the first sentence of its help."""
        found = [(name, self.get_command(context, name)) for name in self.list_commands(context)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(sys.maxsize)) for name, each in found if each])


class Commands(click.Group):
    """Finds a command by its name or a short form, and imports its module and no other."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(MODULES)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import the module of a command, in which it is `NAME_command`."""
        if name not in MODULES:
            return None
        module = import_module(f"kharness.cli.commands.{MODULES[name]}")
        found: click.Command = getattr(module, f"{name.replace('-', '_')}_command")
        return found

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write all commands with their short forms under their headings; nothing is imported."""
        shown = {name: " ".join((name, *aliases_of(name))) for name in MODULES}
        column = LONGEST if formatter.width < NARROW else max(map(len, shown.values()))
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                rows = [(shown[name].ljust(column), summary) for name, (_, summary) in commands.items()]
                formatter.write_dl(rows, col_max=column)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Replace a short form by its words; answer docker's words and unknown ones with the right command."""
        args = expanded(args)
        if not context.resilient_parsing and args[0] not in MODULES and (answer := docker_answer(args)):
            raise UsageError(answer)
        if not context.resilient_parsing and args[0] not in MODULES and not args[0].startswith("-"):
            meant = " or ".join(nearest(args[0], self.list_commands(context)))
            context.fail(f"No such command '{args[0]}'.{f' Did you mean {meant}?' if meant else ''}")
        return super().resolve_command(context, args)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return names alone: click would import all modules for their help."""
        names = [name for name in self.list_commands(context) if name.startswith(incomplete)]
        return [*map(CompletionItem, names), *click.Command.shell_complete(self, context, incomplete)]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST})
@click.version_option(package_name="kharness")
@click.pass_context
def cli(context: click.Context) -> None:
    """Build, test, release and watch containers of production.

    The gate itself is pytest: 'pytest containers/NAME --ready --launch'. Short forms stand beside a command.

    Exit status: 0 done, 1 failed or refused, 2 used wrongly; exec, enter, shell and attach exit with the status of the
    command that they ran.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        context.color = False

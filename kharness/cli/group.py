"""The group of all commands: one file a command."""

from __future__ import annotations

import os
from importlib import import_module
from pkgutil import iter_modules

import click
from click.shell_completion import CompletionItem

from kharness.cli import commands as package
from kharness.cli.aliases import aliases_of, expanded, nearest


class Commands(click.Group):
    """Finds a command in the file of its name, or of what its alias stands for, and imports only that."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names of all files."""
        return sorted(module.name.replace("_", "-") for module in iter_modules(package.__path__))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import one file."""
        if name not in self.list_commands(context):
            return None
        found: click.Command = import_module(f"{package.__name__}.{name.replace('-', '_')}").command
        return found

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Put an alias's words in its place; an unknown command is answered with the nearest."""
        args = expanded(args)
        known = self.list_commands(context)
        if not context.resilient_parsing and args[0] not in known and not args[0].startswith("-"):
            meant = " or ".join(nearest(args[0], known))
            context.fail(f"No such command '{args[0]}'.{f' Did you mean {meant}?' if meant else ''}")
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Show each command with its aliases."""
        names = {name: " ".join((name, *aliases_of(name))) for name in self.list_commands(context)}
        room = formatter.width - 6 - max(map(len, names.values()))
        found = [(shown, self.get_command(context, name)) for name, shown in names.items()]
        with formatter.section("Commands"):
            formatter.write_dl([(shown, each.get_short_help_str(room)) for shown, each in found if each])

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return names alone: their help would import them all."""
        names = [name for name in self.list_commands(context) if name.startswith(incomplete)]
        return [*map(CompletionItem, names), *click.Command.shell_complete(self, context, incomplete)]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kharness")
@click.pass_context
def cli(context: click.Context) -> None:
    """Build, launch and release containers from the directories that describe and test them.

    The gate itself is pytest: 'pytest containers/NAME --ready --launch'. Beside a command stand its short forms.

    Exit status: 0 done, 1 it failed or was refused, 2 it was asked for wrongly; exec, enter, shell and attach end with
    the status of what they ran.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        context.color = False

"""The group of all commands: one file a command."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import click

from kharness.cli import commands as package


class Commands(click.Group):
    """Finds a command in the file of its name and imports only that."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names of all files."""
        return sorted(module.name.replace("_", "-") for module in iter_modules(package.__path__))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import one file."""
        if name not in self.list_commands(context):
            return None
        found: click.Command = import_module(f"{package.__name__}.{name.replace('-', '_')}").command
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kharness")
def cli() -> None:
    """Build, launch and release containers from the directories that describe and test them.

    The gate itself is pytest: 'pytest containers/NAME --ready --launch'.

    Exit status: 0 done, 1 it failed or was refused, 2 it was asked for wrongly.
    """

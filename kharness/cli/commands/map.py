"""`kharness map`."""

from __future__ import annotations

import sys

import click

from kharness.cli.running import main


@click.command()
def command() -> None:
    """Print id and name of each container that runs.

    It takes no arguments, reads no configuration, and may be allowed in sudoers: under sudo only the default socket of
    the engine is asked, whatever the environment says.

    \b
    Examples:
      kharness map
      sudo kharness map
    """
    sys.exit(main([]))

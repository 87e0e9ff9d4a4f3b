"""The command line; `KharnessError` is caught once, here."""

from __future__ import annotations

import atexit
import gc
import os
import sys

from kharness.cli.streams import standard_streams

FAILED, MISUSED = 1, 2
GARBAGE = 50_000
"""New objects after which the garbage collector runs; Python's own 700 make it run all the time while modules load."""
ANYWHERE = {"-h", "--help", "--version"}
"""Options that need no current directory."""


def main() -> None:
    """Run the command line."""
    # Modules stay until the end: neither while they load nor at the end is there anything among them to collect.
    gc.set_threshold(GARBAGE)
    atexit.register(gc.freeze)
    with standard_streams():
        if sys.argv[1:2] == ["map"] and not {"-h", "--help"} & set(sys.argv):
            # Nothing else is imported, so that it is fast.
            from kharness.cli.running import main as running  # noqa: PLC0415

            sys.exit(running(sys.argv[2:]))
        run()


def run() -> None:
    """Run any other command."""
    import click  # noqa: PLC0415 - see above

    from kharness.cli.group import cli  # noqa: PLC0415
    from kharness.errors import KharnessError, SettingsError, UsageError, visible  # noqa: PLC0415

    try:
        _refuse_gone_directory()
        cli(prog_name="kharness")
    except (UsageError, SettingsError) as error:
        click.echo(f"kharness: {visible(str(error))}", err=True)
        sys.exit(MISUSED)
    except KharnessError as error:
        click.echo(f"kharness: {visible(str(error))}", err=True)
        sys.exit(FAILED)


def _refuse_gone_directory() -> None:
    from kharness.errors import UsageError  # noqa: PLC0415

    try:
        os.getcwd()  # noqa: PTH109 - the cheapest check
    except OSError as error:
        if not ANYWHERE & set(sys.argv):
            raise UsageError(
                f"the current directory cannot be used: {error.strerror}; change into one that is there"
            ) from None

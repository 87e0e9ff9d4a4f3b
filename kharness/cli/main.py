"""The command line; `KharnessError` is caught once, here."""

from __future__ import annotations

import sys

FAILED, MISUSED = 1, 2


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["map"] and not {"-h", "--help"} & set(sys.argv):
        # Before anything is imported that it does not need.
        from kharness.cli.running import main as running  # noqa: PLC0415

        sys.exit(running(sys.argv[2:]))
    run()


def run() -> None:
    """Run any other command."""
    import click  # noqa: PLC0415 - see above

    from kharness.cli.group import cli  # noqa: PLC0415
    from kharness.errors import KharnessError, SettingsError, UsageError  # noqa: PLC0415

    try:
        cli(prog_name="kharness")
    except (UsageError, SettingsError) as error:
        click.echo(f"kharness: {error}", err=True)
        sys.exit(MISUSED)
    except KharnessError as error:
        click.echo(f"kharness: {error}", err=True)
        sys.exit(FAILED)

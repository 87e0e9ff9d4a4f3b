"""`kharness upgrade`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.session import if_changed_option, prod_ready_option, run_session
from kharness.plan.session import session_flags


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", shell_complete=complete_names)
@click.argument("more", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST ARGS]")
@prod_ready_option
@if_changed_option
@click.option("--dry-run", is_flag=True, help="Only print the command line.")
def command(name: str, more: tuple[str, ...], *, prod_ready: bool, if_changed: bool, dry_run: bool) -> None:
    """Build and test NAME, then let production run it.

    This is 'pytest containers/NAME --ready --launch', from whatever directory: promoted and launched if every test
    passed, verified in place, and put back if that fails. The exit status is pytest's.

    \b
    Examples:
      kharness upgrade filewatchdock
      kharness upgrade filewatchdock --prod-ready
    """
    flags = session_flags(prod_ready=prod_ready, if_changed=if_changed, launch=True)
    run_session(name, flags, more, dry_run=dry_run)

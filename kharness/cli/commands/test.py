"""`kharness test`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.session import if_changed_option, prod_ready_option, run_session
from kharness.plan.session import session_flags


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", shell_complete=complete_names)
@click.argument("more", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST ARGS]")
@prod_ready_option
@click.option("--in-prod", is_flag=True, help="What runs in production now; launch nothing.")
@if_changed_option
@click.option("--dry-run", is_flag=True, help="Only print the command line.")
def command(
    name: str, more: tuple[str, ...], *, prod_ready: bool, in_prod: bool, if_changed: bool, dry_run: bool
) -> None:
    """Build NAME, launch a test instance and test it.

    This is 'pytest containers/NAME --ready', from whatever directory; the exit status is pytest's. What is not said
    here goes to pytest as it is; -- stands before what would be taken for an option of this command.

    \b
    Examples:
      kharness test filewatchdock
      kharness test filewatchdock --prod-ready -x --keep-failed
    """
    flags = session_flags(prod_ready=prod_ready, in_prod=in_prod, if_changed=if_changed)
    run_session(name, flags, more, dry_run=dry_run)

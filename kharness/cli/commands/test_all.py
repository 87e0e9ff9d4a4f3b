"""`kharness test-all`."""

from __future__ import annotations

import click

from kharness.cli.fleet import Manner, group_options, run_group
from kharness.cli.session import if_changed_option, prod_ready_option
from kharness.ops.groups.sessions import all_tests
from kharness.plan.session import session_flags


@click.command()
@prod_ready_option
@click.option("--in-prod", is_flag=True, help="What runs in production now; launch nothing.")
@if_changed_option
@group_options
def command(*, prod_ready: bool, in_prod: bool, if_changed: bool, manner: Manner) -> None:
    """Test all that has tests, each in a session of its own.

    Bases come before what is built on them, which is held back where one fails.

    \b
    Examples:
      kharness test-all --if-changed
      kharness test-all --in-prod --json
    """
    flags = session_flags(prod_ready=prod_ready, in_prod=in_prod, if_changed=if_changed)
    run_group(manner, lambda fleet: all_tests(fleet, flags, timeout=manner.timeout), acts=False)

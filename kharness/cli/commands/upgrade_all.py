"""`kharness upgrade-all`."""

from __future__ import annotations

import click

from kharness.cli.fleet import Manner, group_options, keep_going_option, run_group
from kharness.cli.session import if_changed_option, prod_ready_option
from kharness.ops.groups.sessions import all_upgrades
from kharness.plan.session import session_flags


@click.command()
@prod_ready_option
@if_changed_option
@keep_going_option
@group_options
def command(*, prod_ready: bool, if_changed: bool, keep_going: bool, manner: Manner) -> None:
    """Upgrade all that is in use, each as 'kharness upgrade' does.

    What has something live or starts with this host, bases first, then wave by wave: one that fails holds back the
    later waves.

    \b
    Examples:
      kharness upgrade-all --dry-run
      kharness upgrade-all --prod-ready --keep-going
    """
    flags = session_flags(prod_ready=prod_ready, if_changed=if_changed, launch=True)
    run_group(manner, lambda fleet: all_upgrades(fleet, flags, keep_going=keep_going, timeout=manner.timeout))

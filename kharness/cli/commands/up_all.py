"""`kharness up-all`."""

from __future__ import annotations

import click

from kharness.cli.fleet import Manner, group_options, keep_going_option, run_group
from kharness.ops.groups.up_all import up_all


@click.command()
@keep_going_option
@group_options
def command(*, keep_going: bool, manner: Manner) -> None:
    """Launch what starts with the host and does not run.

    Every container with an `autostart` for this host, from what is live. A wave begins when all of the one before is up
    and healthy; one that does not become so holds back those after it.

    \b
    Examples:
      kharness up-all
      kharness up-all --keep-going --parallel 8
    """
    run_group(manner, lambda fleet: up_all(fleet, keep_going=keep_going, timeout=manner.timeout))

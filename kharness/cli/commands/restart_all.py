"""`kharness restart-all`."""

from __future__ import annotations

import click

from kharness.cli.fleet import Manner, group_options, keep_going_option, run_group
from kharness.ops.groups.restart_all import restart_all


@click.command()
@keep_going_option
@group_options
def command(*, keep_going: bool, manner: Manner) -> None:
    """Restart what starts with the host.

    Every container with an `autostart` for this host, as 'kharness restart' does it. A wave begins when all of the one
    before is ready again; one that does not become so holds back those after it.

    \b
    Examples:
      kharness restart-all
      kharness restart-all --dry-run
    """
    run_group(manner, lambda fleet: restart_all(fleet, keep_going=keep_going, timeout=manner.timeout))

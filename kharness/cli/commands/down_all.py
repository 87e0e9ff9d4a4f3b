"""`kharness down-all`."""

from __future__ import annotations

import click

from kharness.cli.fleet import Manner, group_options, run_group
from kharness.ops.groups.down_all import down_all


@click.command()
@click.option("--everything", "-e", is_flag=True, help="All of production that runs, too.")
@group_options
def command(*, everything: bool, manner: Manner) -> None:
    """Stop what starts with the host, the last wave first.

    Every container with an `autostart` for this host; they stay stopped. What cannot be stopped holds back no
    other.

    \b
    Examples:
      kharness down-all
      kharness down-all --everything --dry-run
    """
    run_group(manner, lambda fleet: down_all(fleet, everything=everything, timeout=manner.timeout))

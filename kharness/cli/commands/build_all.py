"""`kharness build-all`."""

from __future__ import annotations

import click

from kharness.cli.fleet import Manner, group_options, run_group
from kharness.ops.groups.build_all import build_all


@click.command()
@click.option("--rebuild", is_flag=True, help="Build even if nothing changed, and renew what is pulled.")
@group_options
def command(*, rebuild: bool, manner: Manner) -> None:
    """Build all images as :latest, unless nothing changed.

    Bases come before what is built on them: that gets what was built just now, and is held back where a base fails.

    \b
    Examples:
      kharness build-all
      kharness build-all --rebuild --parallel 2
    """
    run_group(manner, lambda fleet: build_all(fleet, rebuild=rebuild, timeout=manner.timeout), acts=False)

"""`kharness check-all-up`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from kharness.cli.opening import open_here
from kharness.ops.checkup import check_all_up


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: what is not up, and why.")
def command(*, as_json: bool) -> None:
    """Look whether all that starts with this host is up.

    Each container with an `autostart` must run, be healthy, and run what is live. Exit status: 0 'all ok', 1 something
    is not, or its settings cannot be read.

    \b
    Examples:
      kharness check-all-up
      kharness check-all-up || mail -s 'containers' root </dev/null
    """
    harness = open_here()
    fleet, broken = harness.fleet()
    checked = check_all_up(harness, fleet)
    wrong = [(found.name, reason) for found in checked for reason in found.reasons]
    if as_json:
        value = {"ok": not wrong and not broken, "containers": [asdict(found) for found in checked]}
        click.echo(json.dumps({**value, "settings": [str(error) for error in broken.values()]}, indent=2))
        sys.exit(1 if wrong or broken else 0)
    for name, reason in wrong:
        click.secho(f"{name}: {reason}", fg="red")
    for error in broken.values():
        click.secho(str(error), fg="red")
    if not wrong and not broken:
        click.secho("all ok", fg="green")
    sys.exit(1 if wrong or broken else 0)

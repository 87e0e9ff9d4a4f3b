"""`kharness ips`."""

from __future__ import annotations

import json

import click

from kharness.cli.opening import look_here
from kharness.cli.table import print_table
from kharness.ops.ps import production
from kharness.report.ps import address_rows


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: names with their networks and addresses.")
def command(*, as_json: bool) -> None:
    """List the addresses of production's containers.

    One line for each network that a container is on.

    \b
    Examples:
      kharness ips
      kharness ips --json
    """
    found = production(look_here(), {})
    if as_json:
        value = {each.name: dict(each.facts.addresses) for each in found if each.facts and each.facts.up}
        click.echo(json.dumps(value, indent=2))
        return
    print_table(("name", "network", "address"), address_rows(found))

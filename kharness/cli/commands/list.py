"""`kharness list`."""

from __future__ import annotations

import json
import socket

import click

from kharness.cli.opening import host_here, open_here
from kharness.cli.table import print_table
from kharness.ops.checkup import why_down
from kharness.ops.described import describe
from kharness.plan.described import Described
from kharness.report.described import COLUMNS, described_row, described_value
from kharness.settings.catalog import find_containers


@click.command()
@click.option("--autostart", is_flag=True, help="Those that start with this host.")
@click.option("--waves", is_flag=True, help="The same, in the order of their waves.")
@click.option("--not-up", is_flag=True, help="Of those, what is not up, and why not; asks the engine.")
@click.option("--buildable", is_flag=True, help="Those with a Dockerfile.")
@click.option("--testable", is_flag=True, help="Those with tests, or 'expect:' in their settings.")
@click.option("--quiet", "-q", is_flag=True, help="Names alone, for scripts.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything.")
def command(
    *, autostart: bool, waves: bool, not_up: bool, buildable: bool, testable: bool, quiet: bool, as_json: bool
) -> None:
    """List container directories, all or those with everything that is asked for.

    Those whose settings cannot be read are named on standard error, and change no exit status.

    \b
    Examples:
      kharness list --waves
      kharness list --testable --quiet
    """
    configured = host_here()
    found = tuple(describe(find_containers(configured.source_paths).directories, below=configured.defaults))
    if not found:
        click.echo("there is no container directory: no source path holds any", err=True)
    chosen = [each for each in found if (each.buildable or not buildable) and (each.testable or not testable)]
    if autostart or waves or not_up:
        host = socket.gethostname()
        chosen = [each for each in chosen if each.starts_on(host)]
    if waves:
        chosen.sort(key=lambda each: (each.wave or 0, each.name))
    reasons = _down(chosen) if not_up else {each.name: None for each in chosen}
    listed = [(each, reasons[each.name]) for each in chosen if each.name in reasons]
    if as_json:
        click.echo(json.dumps([described_value(each, why=why) for each, why in listed], indent=2))
    elif quiet:
        click.echo("".join(f"{each.name}\n" for each, _ in listed), nl=False)
    else:
        print_table(COLUMNS, (described_row(each, why=why or "") for each, why in listed))
    for each in found:
        if each.broken:
            click.echo(each.broken, err=True)


def _down(found: list[Described]) -> dict[str, str | None]:
    harness = open_here()
    reasons = ((each.name, why_down(harness, each.name)) for each in found)
    return {name: why for name, why in reasons if why}

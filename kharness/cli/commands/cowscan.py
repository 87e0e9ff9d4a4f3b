"""`kharness cowscan`."""

from __future__ import annotations

import json
import sys

import click

from kharness.cli.opening import open_here, show
from kharness.ops.cowscan import chosen, scan
from kharness.report.drift import drift_lines, drift_value

MOST = 25
"""Changes of a container that are shown, unless all are asked for."""


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Show every change, not only the first of each container.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, as one JSON object.")
def command(names: tuple[str, ...], *, everything: bool, as_json: bool) -> None:
    """Show what running production containers changed of their images' files, minus what is expected.

    Without NAMES all of production is looked at. Executables, set-uid and hidden files come first; what is expected
    stands in 'drift:' of settings.yaml. Volumes are not in that layer. Exit status: 0 'all ok', 1 something is left, or
    could not be seen.

    \b
    Examples:
      kharness cowscan
      kharness cowscan filewatchdock --json
    """
    harness = open_here()
    found = scan(harness, chosen(harness, names))
    if as_json:
        click.echo(json.dumps(drift_value(found), indent=2))
    else:
        show(drift_lines(found, most=None if everything else MOST))
    sys.exit(0 if all(each.ok for each in found) else 1)

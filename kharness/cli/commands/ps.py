"""`kharness ps`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from kharness.cli.opening import look_here, open_here
from kharness.cli.table import print_table
from kharness.ops.ps import production
from kharness.ops.view import View
from kharness.plan.listed import Listed
from kharness.report.ps import ALL_COLUMNS, COLUMNS, listed_row, listed_value, wave_text

if TYPE_CHECKING:
    from kharness.errors import SettingsError
    from kharness.settings.model import Settings


@click.command()
@click.option("--all", "-a", "everything", is_flag=True, help="Container directories without a container, too.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, times in seconds.")
def command(*, everything: bool, as_json: bool) -> None:
    """List production's containers, stopped ones too.

    Directories that another one shadows and, with --all or --json, those whose settings cannot be read, are named on
    standard error, and change no exit status.

    \b
    Examples:
      kharness ps
      kharness ps --all --json
    """
    view, fleet, broken = _with_settings() if everything or as_json else (look_here(), {}, {})
    found = production(view, fleet, everything=everything)
    now = time.time()
    if as_json:
        click.echo(json.dumps([listed_value(each, now=now) for each in found], indent=2))
    elif everything:
        print_table(ALL_COLUMNS, ((*listed_row(each, now=now), wave_text(each)) for each in found))
    else:
        print_table(COLUMNS, (listed_row(each, now=now) for each in found))
    if not found and not as_json:
        click.echo("nothing of production is here", err=True)
    _notes(view, found)
    for error in broken.values():
        click.echo(str(error), err=True)


def _with_settings() -> tuple[View, Mapping[str, Settings], Mapping[str, SettingsError]]:
    harness = open_here()
    return harness, *harness.fleet()


def _notes(view: View, found: tuple[Listed, ...]) -> None:
    for each in found:
        if each.laid:
            click.echo(each.laid, err=True)
        if not each.known:
            click.echo(f"{each.name}: no source path has its container directory", err=True)
    for shadowed in view.catalog.shadowed:
        first = view.catalog.get(shadowed.name)
        click.echo(f"{shadowed.path}: is shadowed by {first.path if first else shadowed.name}", err=True)

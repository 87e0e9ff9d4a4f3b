"""`kharness hardening`."""

from __future__ import annotations

import json
import sys

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select, show
from kharness.host.state import HardeningRecord
from kharness.ops.hardening import ImageHardening, hardening_of
from kharness.plan.facts import short_id
from kharness.report.amounts import time_text
from kharness.report.hardening import hardening_lines, hardening_value


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--live", is_flag=True, help="Of the image that is :live, not of :latest.")
@click.option("--all", "everything", is_flag=True, help="Every name, not only the first of each step.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, times in seconds since the epoch.")
def command(name: str, *, live: bool, everything: bool, as_json: bool) -> None:
    """Show what /prep took from the image of NAME when it was built.

    It is remembered here, not in the image. Exit status 1: it is not known.

    \b
    Examples:
      kharness hardening filewatchdock
      kharness hardening filewatchdock --live --all
    """
    harness = open_here()
    found = hardening_of(harness, select(harness, name), live=live)
    if found.record is None:
        click.echo(f"{found.name}: what was taken from {found.ref} is not known: {found.why}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(_value(found, found.record), indent=2))
        return
    click.echo(_heading(found, found.record))
    show(hardening_lines(found.record.hardening, everything=everything))


def _heading(found: ImageHardening, record: HardeningRecord) -> str:
    layers = f" in the layers that it has from image {short_id(record.image_id)} of {record.name}"
    said = f"{record.hardening.family}, {time_text(record.at)}"
    return f"{found.ref}, image {short_id(found.image.id)}: hardened{layers if found.inherited else ''} ({said})"


def _value(found: ImageHardening, record: HardeningRecord) -> dict[str, object]:
    image = {"name": found.name, "ref": found.ref, "image": found.image.id}
    built = {"name": record.name, "image": record.image_id, "at": record.at}
    return {**image, "hardened": built, **hardening_value(record.hardening)}

"""`kharness diff`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select, show
from kharness.ops.imagediff import compare
from kharness.plan.facts import short_id
from kharness.report.difference import section

MOST = 25
"""Lines of a section, unless all are asked for."""


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="Show every difference, not only the first of each kind.")
def command(name: str, *, everything: bool) -> None:
    """Show how :latest of NAME differs from what is :live.

    Its configuration, packages, files and size; and what the settings would change of the launch.

    \b
    Examples:
      kharness diff filewatchdock
      kharness diff filewatchdock --all
    """
    harness = open_here()
    directory = select(harness, name)
    found = compare(harness, directory)
    most = None if everything else MOST
    show(section("options of the launch", found.settings, most=most))
    if found.live.id == found.latest.id:
        click.echo(f"image {short_id(found.live.id)} is :latest and :live")
        return
    click.echo(f":live {short_id(found.live.id)} -> :latest {short_id(found.latest.id)}")
    click.echo(f"size: {found.live.size / 1e6:.1f} -> {found.latest.size / 1e6:.1f} MB")
    show(section("configuration", found.configuration, most=most))
    show(section("packages", found.packages, most=most))
    show(section("files", found.files, most=most))

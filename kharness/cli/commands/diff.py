"""`kharness diff`."""

from __future__ import annotations

import json

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select, show
from kharness.ops.imagediff import ImageDifference, compare
from kharness.plan.facts import short_id
from kharness.report.difference import section, section_value

MOST = 25
"""Lines of a section, unless all are asked for."""


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="Show every difference, not only the first of each kind.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything.")
def command(name: str, *, everything: bool, as_json: bool) -> None:
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
    if as_json:
        click.echo(json.dumps(_value(found), indent=2))
        return
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


def _value(found: ImageDifference) -> dict[str, object]:
    images = {"live": found.live, "latest": found.latest}
    parts = {
        "settings": found.settings,
        "configuration": found.configuration,
        "packages": found.packages,
        "files": found.files,
    }
    return {
        **{tag: {"image": image.id, "size": image.size} for tag, image in images.items()},
        **{part: section_value(differences) for part, differences in parts.items()},
    }

"""Build, compare and prune images."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from kharness.cli.choice import choose, choose_one, each, everything, open_compose_project
from kharness.cli.here import name_argument, open_here, recovered
from kharness.cli.output import dry_run_option, show
from kharness.plan.facts import short_id
from kharness.report.table import time_text

if TYPE_CHECKING:
    from kharness.host.state.state import HardeningRecord
    from kharness.ops.image.difference import ImageDifference
    from kharness.ops.image.hardening import ImageHardening


@click.command("build")
@name_argument
@click.option("--rebuild", is_flag=True, help="Build even if nothing changed, and renew what is pulled.")
@dry_run_option
def build_command(name: str, *, rebuild: bool, dry_run: bool) -> None:
    """Build the image of NAME as :latest.

    Nothing is built if nothing changed.

    \b
    Examples:
      kharness build filewatchdock
      kharness build filewatchdock --rebuild
    """
    from kharness.ops.image.build import build, would_build

    chosen = choose(name)
    harness = chosen.view

    def make(name: str) -> None:
        directory = harness.catalog.select(name, prefix=False)
        if dry_run:
            told = would_build(harness, directory, harness.settings(directory), rebuild=rebuild)
            click.echo(f"{chosen.called(name)}: {told}")
            return
        built = build(harness, directory, harness.settings(directory), rebuild=rebuild)
        click.echo(f"{chosen.called(name)}: {built.image.id}" if chosen.whole else built.image.id)

    each(chosen, make)


MOST = 25
"""Lines of a section, unless all are asked for."""


@click.command("diff")
@name_argument
@click.option("--all", "all_of_it", is_flag=True, help="Show every difference, not only the first of each kind.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything.")
def diff_command(name: str, *, all_of_it: bool, as_json: bool) -> None:
    """Compare :latest of NAME with :live.

    Configuration, packages, files and size; and what the settings would change of the launch.

    \b
    Examples:
      kharness diff filewatchdock
      kharness diff filewatchdock --all
    """
    from kharness.ops.image.difference import compare

    chosen = choose(name)
    most = None if all_of_it else MOST
    values: dict[str, object] = {}

    def tell(name: str) -> None:
        found = compare(chosen.view, chosen.view.catalog.select(name, prefix=False))
        if as_json:
            values[name] = _difference_value(found)
            return
        if chosen.whole:
            click.echo(f"{chosen.called(name)}:")
        _print_difference(found, most=most)

    each(chosen, tell, atlast=lambda: _print_json(values, whole=chosen.whole) if as_json else None)


def _print_json(values: dict[str, object], *, whole: bool) -> None:
    for value in [values] if whole else values.values():
        click.echo(json.dumps(value, indent=2))


def _print_difference(found: ImageDifference, *, most: int | None) -> None:
    from kharness.report.image import section

    show(section("options of the launch", found.settings, most=most))
    if found.live.id == found.latest.id:
        click.echo(f"image {short_id(found.live.id)} is :latest and :live")
        return
    click.echo(f":live {short_id(found.live.id)} -> :latest {short_id(found.latest.id)}")
    click.echo(f"size: {found.live.size / 1e6:.1f} -> {found.latest.size / 1e6:.1f} MB")
    show(section("configuration", found.configuration, most=most))
    show(section("packages", found.packages, most=most))
    show(section("files", found.files, most=most))


def _difference_value(found: ImageDifference) -> dict[str, object]:
    from kharness.report.image import section_value

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


@click.command("hardening")
@name_argument
@click.option("--live", is_flag=True, help="Of the image that is :live, not of :latest.")
@click.option("--all", "everything", is_flag=True, help="Every name, not only the first of each step.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, times in seconds since the epoch.")
def hardening_command(name: str, *, live: bool, everything: bool, as_json: bool) -> None:
    """Show what /prep removed from NAME's image.

    When the image was built; this host's records have it. Exit status 1: it is not recorded.

    \b
    Examples:
      kharness hardening filewatchdock
      kharness hardening filewatchdock --live --all
    """
    from kharness.ops.image.hardening import hardening_of
    from kharness.report.image import hardening_lines

    chosen = choose_one(name)
    found = hardening_of(chosen.view, chosen.directory, live=live)
    if found.record is None:
        click.echo(f"{found.name}: what was taken from {found.ref} is not known: {found.why}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(_hardening_value(found, found.record), indent=2))
        return
    click.echo(_hardening_heading(found, found.record))
    show(hardening_lines(found.record.hardening, everything=everything))


def _hardening_heading(found: ImageHardening, record: HardeningRecord) -> str:
    layers = f" in the layers that it has from image {short_id(record.image_id)} of {record.name}"
    said = f"{record.hardening.family}, {time_text(record.at)}"
    return f"{found.ref}, image {short_id(found.image.id)}: hardened{layers if found.inherited else ''} ({said})"


def _hardening_value(found: ImageHardening, record: HardeningRecord) -> dict[str, object]:
    from kharness.report.image import hardening_value

    image = {"name": found.name, "ref": found.ref, "image": found.image.id}
    built = {"name": record.name, "image": record.image_id, "at": record.at}
    return {**image, "hardened": built, **hardening_value(record.hardening)}


@click.command("prune")
@click.option("--keep", type=click.IntRange(min=1), help="How many releases of each stay; default: the host's.")
@click.option("--dry-run", is_flag=True, help="Only print what would be removed.")
def prune_command(*, keep: int | None, dry_run: bool) -> None:
    """Remove images and snapshots of old releases.

    All but the last few releases, and builds without a tag. :latest, :live, :prev and images that a container uses
    stay, as do images that kharness did not make. Of snapshots, the last 'release: {keep_data: N}' stay.

    \b
    Examples:
      kharness prune --dry-run
      kharness prune --keep 3
    """
    from kharness.ops.image.prune import prune

    known = everything(open_here, open_compose_project)
    nothing = True
    for opened in known.opened:
        harness = opened.view if dry_run else recovered(opened.view)
        for pruned in prune(harness, keep=keep, dry_run=dry_run):
            what = opened.called(pruned.what)
            click.echo(f"{'would remove' if dry_run else 'removed'} {what} ({pruned.size / 1e6:.0f} MB)")
            nothing = False
    if nothing:
        click.echo("nothing to remove")
    for error in known.broken.values():
        click.echo(str(error), err=True)

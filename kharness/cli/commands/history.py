"""`kharness history`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select
from kharness.cli.table import print_table
from kharness.host.state import Release
from kharness.plan.facts import short_id

OF_ALL = ("when", "container", "what", "image", "tests", "who")
OF_ONE = ("when", "what", "image", "before", "tests", "commit", "who")


@click.command()
@click.argument("name", required=False, shell_complete=complete_names)
@click.option("--limit", default=20, show_default=True, help="How many entries, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, times in seconds since the epoch.")
def command(name: str | None, *, limit: int, as_json: bool) -> None:
    """Show what was promoted, launched, undone, by whom and when.

    \b
    Examples:
      kharness history
      kharness history filewatchdock --limit 5
    """
    harness = open_here()
    chosen = select(harness, name).name if name else None
    releases = harness.state.releases(chosen, limit=limit)
    if as_json:
        click.echo(json.dumps([asdict(release) for release in releases], indent=2))
        return
    if not releases:
        click.echo(f"nothing was released yet{f' of {chosen}' if chosen else ''}", err=True)
        return
    # What a terminal of 80 columns holds; the rest is told of one container at a time.
    columns = OF_ONE if chosen else OF_ALL
    rows = map(_row, releases)
    print_table(columns, (tuple(row[column] for column in columns) for row in rows))
    for release in releases if chosen else ():
        if release.note:
            first, *rest = release.note.splitlines()
            more = f" (and {len(rest)} more lines)" if rest else ""
            click.echo(f"{_when(release)} {release.kind}: {first}{more}")


def _when(release: Release) -> str:
    return datetime.fromtimestamp(release.at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _row(release: Release) -> dict[str, str]:
    return {
        "when": _when(release),
        "container": release.name,
        "what": release.kind,
        "image": short_id(release.image_id),
        "before": short_id(release.previous),
        "tests": str(release.tests),
        "commit": release.commit or "",
        "who": release.who,
    }

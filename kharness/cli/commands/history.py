"""`kharness history`."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table

from kharness.cli.opening import open_here, select


@click.command()
@click.argument("name", required=False)
@click.option("--limit", default=20, show_default=True, help="How many entries, the newest first.")
def command(name: str | None, *, limit: int) -> None:
    """Show the ledger: what was promoted, launched, undone, by whom and when.

    \b
    Examples:
      kharness history
      kharness history filewatchdock --limit 5
    """
    harness = open_here()
    chosen = select(harness, name).name if name else None
    table = Table("when", "container", "what", "image", "before", "tests", "commit", "who")
    for release in harness.state.releases(chosen, limit=limit):
        when = datetime.fromtimestamp(release.at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        image, before = (text[7:19] if text else "" for text in (release.image_id, release.previous))
        table.add_row(when, release.name, release.kind, image, before, str(release.tests), release.commit, release.who)
    Console().print(table)

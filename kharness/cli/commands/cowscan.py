"""`kharness cowscan`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, open_to_act, show
from kharness.errors import StateError, UsageError
from kharness.ops.cowscan import Target, accept_volumes, chosen, scan
from kharness.ops.foresee import would_respond
from kharness.ops.harness import Harness
from kharness.ops.lastscan import remember
from kharness.ops.response import Asked, respond
from kharness.plan.drift import Scanned
from kharness.report.drift import done_lines, done_value, drift_lines, drift_value

MOST = 25
"""Changes of a container that are shown, unless all are asked for."""


@click.command()
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="Show every change, not only the first of each container.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, as one JSON object.")
@click.option("--snapshot", is_flag=True, help="Save the evidence, before anything else.")
@click.option("--rm", "remove", is_flag=True, help="Remove what was added; --restart is safer.")
@click.option("--accept", is_flag=True, help="Only record what 'drift: {watch: [...]}' names as right.")
@click.option("--restart", is_flag=True, help="Launch a new container from :live.")
@click.option("--dry-run", is_flag=True, help="Only say what --snapshot, --rm, --restart would do.")
def command(
    names: tuple[str, ...],
    *,
    everything: bool,
    as_json: bool,
    snapshot: bool,
    remove: bool,
    accept: bool,
    restart: bool,
    dry_run: bool,
) -> None:
    """Show what running production containers changed of their images' files.

    Without NAMES all of production is looked at. What 'drift:' of settings.yaml expects is left out; volumes are not in
    that layer. Exit status: 0 'all ok', 1 something is left or was not seen.

    \b
    Examples:
      kharness cowscan
      kharness cowscan filewatchdock --snapshot --restart
    """
    asked = Asked(snapshot=snapshot, remove=remove, restart=restart)
    harness = open_to_act() if restart and not dry_run else open_here()
    if accept:
        _accept(harness, names, asked, dry_run=dry_run)
        return
    found = _scanned(harness, chosen(harness, names, prefix=sys.stdin.isatty()))
    most = None if everything else MOST
    if not as_json:
        show(drift_lines(found, most=most))
    done = tuple(would_respond(harness, found, asked) if dry_run else respond(harness, found, asked))
    if not as_json:
        show(done_lines(done, removed=remove))
    if asked.acts and done and not dry_run:
        # By name: a container that was launched again is another one.
        found = _scanned(harness, chosen(harness, [each.name for each in found]))
        if not as_json:
            click.echo("afterwards:")
            show(drift_lines(found, most=most))
    if as_json:
        click.echo(json.dumps({**drift_value(found), "done": done_value(done)}, indent=2))
    ok = all(each.ok for each in found) and all(each.good for each in done)
    sys.exit(0 if ok else 1)


def _scanned(harness: Harness, targets: Sequence[Target]) -> tuple[Scanned, ...]:
    found = scan(harness, targets)
    try:
        remember(harness, found, at=time.time())
    except StateError as error:
        click.echo(f"'kharness status' will not know of it: {error}", err=True)
    return found


def _accept(harness: Harness, names: tuple[str, ...], asked: Asked, *, dry_run: bool) -> None:
    if not names or asked != Asked() or dry_run:
        raise UsageError("--accept needs the NAMES of containers whose volumes are right, and does nothing else")
    for name, path, count in accept_volumes(harness, chosen(harness, names, prefix=sys.stdin.isatty())):
        click.echo(f"{name}: {path} is recorded, with {count:,} {'entry' if count == 1 else 'entries'}")

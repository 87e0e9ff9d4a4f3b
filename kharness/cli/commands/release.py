"""Promote, roll back, recover, and the history of releases."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from kharness.cli.choice import Opened, choose, choose_one, everything, in_records, open_compose_project
from kharness.cli.here import complete_names, name_argument, open_here
from kharness.cli.output import confirm, dry_run_option, print_table, show
from kharness.errors import RefusedError, UsageError
from kharness.plan.facts import short_id
from kharness.report.release import released_lines
from kharness.report.table import Layout, time_text, writes_text

if TYPE_CHECKING:
    from kharness.errors import KharnessError
    from kharness.host.state.state import Release
    from kharness.ops.harness import Harness
    from kharness.ops.release.rollback import EarlierData
    from kharness.settings.catalog import ContainerDir


@click.command("promote")
@name_argument
@click.option("--untested", is_flag=True, help="Promote an image that passed no session; recorded.")
@dry_run_option
def promote_command(name: str, *, untested: bool, dry_run: bool) -> None:
    """Make the tested :latest of NAME :live.

    A session must have passed with this image, and with the present sources, settings and tests.

    \b
    Examples:
      kharness promote filewatchdock
      kharness promote filewatchdock --untested
    """
    from kharness.host.project.test_files import commit_of
    from kharness.ops.gate.facts import remember_released, tests_of_session
    from kharness.ops.gate.inputs import doubts
    from kharness.ops.release.release import promote
    from kharness.plan.release.operation import Provenance

    chosen = choose_one(name, act=True, dry_run=dry_run)
    harness, directory = chosen.view, chosen.directory
    tags = harness.tags(directory.name)
    image = harness.engine.image(tags.latest)
    if image is None:
        raise UsageError(f"{directory.name}: there is no {tags.latest}; 'kharness build {directory.name}' makes it")
    verdict = harness.state.verdict_of_image(directory.name, image.id)
    reasons = doubts(harness, directory, verdict, image=image.id)
    passed = verdict is not None and not reasons
    if reasons and not untested:
        raise RefusedError(
            f"{directory.name}: {'; '.join(reasons)}; "
            f"'pytest {directory.path} --ready --promote' tests and promotes it, --untested does without"
        )
    if dry_run:
        loud = f", UNTESTED ({'; '.join(reasons)})" if reasons else ""
        click.echo(f"{directory.name}: {tags.live} would be {short_id(image.id)}{loud}")
        return
    if reasons:
        click.echo(f"{directory.name}: PROMOTING AN UNTESTED IMAGE; this is recorded ({'; '.join(reasons)})", err=True)
    released = promote(
        harness,
        directory.name,
        image.id,
        Provenance(
            session=verdict.session if verdict and passed else "",
            tests=verdict.tests if verdict and passed else 0,
            digest=image.labels.get("kharness.digest", ""),
            commit=commit_of(directory.path),
            untested=not passed,
        ),
    )
    tests = tests_of_session(harness, directory.name, verdict.session) if verdict and passed else None
    if tests is not None and released.ok:
        remember_released(harness, directory.name, tests)
    click.echo(f"{directory.name}: {tags.live} is {short_id(image.id)} ({released.kind})")


@click.command("rollback")
@name_argument
@click.option("--to", metavar="ID", help="The beginning of an image's id, or a tag release-...; default: the last one.")
@click.option("--data", is_flag=True, help="Put back the data, too, as that image left them.")
@click.option("--yes", is_flag=True, help="With --data: do not ask before later writes are discarded.")
@dry_run_option
def rollback_command(name: str, *, to: str | None, data: bool, yes: bool, dry_run: bool) -> None:
    """Launch an earlier image of NAME and verify it.

    With the present settings. If it fails verification, the container that runs now comes back. 'kharness history NAME'
    lists images. With --data, later writes to the volume directory are discarded after a question; the present data are
    kept as a snapshot, which 'kharness volumes NAME' lists.

    \b
    Examples:
      kharness rollback filewatchdock --to 60ede732
      kharness rollback database --data
    """
    from kharness.ops.release.rollback import choose_data, roll_back

    chosen = choose_one(name, act=True, dry_run=dry_run)
    harness, directory = chosen.view, chosen.directory
    if dry_run:
        _print_plan(harness, directory, to, data=data)
        return
    restoration = choose_data(harness, directory.name, to) if data else None
    if restoration is not None:
        confirm(directory.name, f"{directory.name}: {_discarded(restoration)}", "discard that", yes=yes)
    released = roll_back(harness, directory, to=to, data=restoration)
    show(released_lines(released))
    sys.exit(0 if released.ok else 1)


def _print_plan(harness: Harness, directory: ContainerDir, to: str | None, *, data: bool) -> None:
    from kharness.ops.release.rollback import choose, choose_data, would_roll_back

    name = directory.name
    restoration = choose_data(harness, name, to) if data else None
    image = restoration.image if restoration else choose(harness, name, to)
    if restoration is not None:
        click.echo(f"{name}: {_discarded(restoration)}")
    live = harness.engine.image(harness.tags(name).live)
    now = f"{short_id(live.id)} is live" if live else "nothing is live"
    click.echo(f"{name}: {short_id(image.id)} would be launched; {now} now")
    for number, line in enumerate(would_roll_back(harness, directory, image, data=restoration), start=1):
        click.echo(f"  {number}. {line}")


def _discarded(restoration: EarlierData) -> str:
    since = time_text(restoration.snapshot.at)
    return (
        f"back to image {short_id(restoration.image.id)} with the data of {since}; "
        f"this discards what was written since: {writes_text(restoration.writes)}"
    )


OF_ALL = Layout(("when", "container", "what", "image", "tests", "who"))
OF_ONE = Layout(("when", "what", "image", "before", "tests", "who", "commit"))


@click.command("history")
@click.argument("name", required=False, shell_complete=complete_names)
@click.option("--limit", default=20, show_default=True, help="How many entries, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, times in seconds since the epoch.")
def history_command(name: str | None, *, limit: int, as_json: bool) -> None:
    """List releases: when, what, by whom.

    Of NAME, or of all: promotions, launches, roll-backs, retirements, and what was undone.

    \b
    Examples:
      kharness history
      kharness history filewatchdock --limit 5
    """
    found: list[Release] = []
    broken: Mapping[str, KharnessError] = {}
    one = ""
    if name is not None:
        # What was retired, or renamed, has a history, and no directory.
        chosen = choose(name, gone=in_records)
        one = "" if chosen.whole else chosen.called(chosen.name)
        found += _releases(chosen, None if chosen.whole else chosen.name, limit=limit)
    else:
        known = everything(open_here, open_compose_project)
        broken = known.broken
        for opened in known.opened:
            found += _releases(opened, None, limit=limit)
    releases = sorted(found, key=lambda release: release.at, reverse=True)[:limit]
    for error in broken.values():
        click.echo(str(error), err=True)
    if as_json:
        click.echo(json.dumps([asdict(release) for release in releases], indent=2))
        return
    if not releases:
        click.echo(f"nothing was released yet{f' of {name}' if name else ''}", err=True)
        return
    # The rest is told of one container at a time.
    layout = OF_ONE if one else OF_ALL
    rows = map(_history_row, releases)
    print_table(layout, (tuple(row[column] for column in layout.columns) for row in rows))
    for release in releases if one else ():
        if release.note:
            first, *rest = release.note.splitlines()
            more = f" (and {len(rest)} more lines)" if rest else ""
            click.echo(f"{_history_time(release)} {release.kind}: {first}{more}")


def _releases(opened: Opened[Harness], name: str | None, *, limit: int) -> list[Release]:
    return [
        replace(release, name=opened.called(release.name)) for release in opened.view.state.releases(name, limit=limit)
    ]


def _history_time(release: Release) -> str:

    return datetime.fromtimestamp(release.at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _history_row(release: Release) -> dict[str, str]:
    return {
        "when": _history_time(release),
        "container": release.name,
        "what": release.kind,
        "image": short_id(release.image_id),
        "before": short_id(release.previous),
        "tests": str(release.tests),
        "commit": release.commit or "",
        "who": release.who,
    }


@click.command("recover")
@click.option("--rebuild", "new_ledger", is_flag=True, help="Replace a damaged ledger by one from the images' tags.")
@dry_run_option
def recover_command(*, new_ledger: bool, dry_run: bool) -> None:
    """Finish or undo interrupted releases.

    After a crash, a power cut, or a lost engine. Every command that changes production does this first. Of an
    interrupted 'retire' or 'rename', the command that finishes it is printed. Exit status 1: something is left to do.

    \b
    Examples:
      kharness recover
      kharness recover --rebuild
    """
    from kharness.ops.launch.dry_run import would_recover
    from kharness.ops.project.unfinished import all_unfinished
    from kharness.ops.release.recover import recover, would_rebuild

    known = everything(open_here, open_compose_project)
    if dry_run:
        told = [
            line
            for opened in known.opened
            for line in ((would_rebuild(opened.view),) if new_ledger else would_recover(opened.view))
        ]
        click.echo("\n".join(told) or "nothing to recover")
        return
    nothing, failed = not new_ledger, bool(known.broken)
    for opened in known.opened:
        harness = opened.view
        # One ledger has the records of all projects.
        if new_ledger and opened is known.opened[0]:
            _rebuild(harness)
        found = recover(harness)
        for recovered in found:
            for left in recovered.left:
                click.echo(f"{opened.called(recovered.operation.name)}: {left}", err=True)
        left_to_do = bool(all_unfinished(harness))
        nothing &= not found and not left_to_do and not harness.state.operations()
        failed |= left_to_do or any(recovered.left and not recovered.kept for recovered in found)
    for error in known.broken.values():
        click.echo(str(error), err=True)
    if nothing:
        click.echo("nothing to recover")
    sys.exit(1 if failed else 0)


def _rebuild(harness: Harness) -> None:
    from kharness.ops.release.recover import rebuild

    aside, entries = rebuild(harness)
    click.echo(f"the damaged ledger is now {aside}")
    click.echo(f"the new one knows of {len(entries)} images that were live; tests and verdicts are not known any more")

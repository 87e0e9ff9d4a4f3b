"""`kharness status`."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterable, Sequence

import click

from kharness.cli.duration import duration
from kharness.cli.names import complete_names
from kharness.cli.opening import COLOURS, open_here, select
from kharness.cli.screen import whole_screen
from kharness.cli.statuses import INTERRUPTED
from kharness.errors import EngineError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.status import Statuses, scan_now, statuses
from kharness.report.released import Line
from kharness.report.status import status_lines, status_value

NO_TERMINAL = "--watch draws on a terminal; 'watch kharness status' and 'kharness status --json' go without"


@click.command()
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--watch", "-w", is_flag=True, help="Stay, and show it again and again; ctrl-c ends it.")
@click.option("--every", callback=duration, default="2s", show_default=True, help="The time between two looks.")
@click.option("--scan", is_flag=True, help="Look for drift before, which otherwise cowscan and watch do.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, ages in seconds, bytes, processors.")
def command(names: tuple[str, ...], *, watch: bool, every: float, scan: bool, as_json: bool) -> None:
    """Show each container at a glance, all without NAMES.

    Its state, the age of its image, whether :latest is newer than :live, the last drift scan and test, memory and cpu.
    A narrow terminal has fewer columns. Directories whose settings cannot be read are told below.

    \b
    Examples:
      kharness status
      kharness status --watch --every 5s
    """
    if watch and (as_json or not sys.stdout.isatty()):
        raise UsageError(NO_TERMINAL)
    harness = open_here()
    chosen = tuple(select(harness, name).name for name in names)
    if watch:
        try:
            _watch(harness, chosen, every=every, scan=scan)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
    if scan:
        scan_now(harness, chosen)
    found, now = statuses(harness, chosen), time.time()
    if as_json:
        click.echo(json.dumps([status_value(each, now=now) for each in found.lines], indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in _styled(status_lines(found.lines, now=now, width=width)):
            click.echo(line)
        if not found.lines:
            click.echo("there is no container directory, and nothing of production", err=True)
    for note in (*map(str, found.broken.values()), *found.notes):
        click.echo(note, err=True)


def _watch(harness: Harness, names: Sequence[str], *, every: float, scan: bool) -> None:
    found, problem = Statuses(lines=()), ""
    with whole_screen() as screen:
        while True:
            try:
                if scan:
                    scan_now(harness, names)
                found, problem = statuses(harness, names, before=found.usages), ""
            except EngineError as error:
                # It may be started again: what was seen before stays.
                problem = str(error).partition("\n")[0]
            width, height = screen.size
            screen.draw(_page(found, problem, every=every, width=width, height=height))
            screen.wait(every)


def _page(found: Statuses, problem: str, *, every: float, width: int, height: int) -> list[str]:
    now = time.time()
    title = f"{time.strftime('%H:%M:%S', time.localtime(now))}, every {every:g} s, ctrl-c ends"
    head = [Line(f"{title}: {problem}" if problem else title, "bad" if problem else "detail")]
    table = [*status_lines(found.lines, now=now, width=width)]
    notes = [
        Line(line, "bad") for note in (*map(str, found.broken.values()), *found.notes) for line in note.splitlines()
    ]
    room = height - len(head) - min(len(notes), height // 4)
    if len(table) > room:
        table = [*table[: room - 1], Line(f"and {len(table) - room + 1} more")]
    return list(_styled(Line(line.text[:width], line.tone) for line in (*head, *table, *notes)))


def _styled(lines: Iterable[Line]) -> Iterable[str]:
    for line in lines:
        yield click.style(line.text, fg=COLOURS.get(line.tone), bold=line.tone == "heading" or None)

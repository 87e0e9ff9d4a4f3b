"""Print progress, reports and tables; ask before what cannot be undone; read durations."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from kharness.errors import UsageError, visible
from kharness.report.table import Layout, table_rows

if TYPE_CHECKING:
    from kharness.plan.facts import LogLine
    from kharness.report.release import Line

dry_run_option = click.option("--dry-run", is_flag=True, help="Only print what would be done.")
COLOURS = {"good": "green", "bad": "red", "doubtful": "yellow"}


def duration(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """Return the seconds of an option such as `90s` or `5m`, more than 0; None if it is not given."""
    if value is None:
        return None
    from kharness.settings.values import read_duration  # noqa: PLC0415 - it imports the models

    try:
        seconds = read_duration(value)
    except ValueError:
        seconds = 0.0
    if not seconds:
        raise click.BadParameter(f"should be a duration such as 90s or 5m, not {value!r}")
    return seconds


def tell(who: str, what: str) -> None:
    """Print progress; details only for people."""
    if not what.startswith(" ") or sys.stderr.isatty():
        click.echo(f"{who or 'kharness'}: {visible(what.strip())}", err=True)


def show(lines: Iterable[Line]) -> None:
    """Print the lines of a report, in the colours of their tones."""
    for line in lines:
        click.secho(visible(line.text), fg=COLOURS.get(line.tone))


def print_table(layout: Layout, rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table as wide as the terminal; nothing without rows."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, lines in enumerate(table_rows(layout, rows, width=width)):
        for line in lines:
            click.secho(line, bold=None if number else True)


def confirm(name: str, what: str, question: str, *, yes: bool) -> None:
    """Print what will happen and ask, unless --yes was given. Raises `UsageError`, `click.Abort`."""
    click.echo(visible(what), err=True)
    if yes:
        return
    if not _is_terminal():
        raise UsageError(f"{name}: there is no terminal to ask at; use --yes to {question}")
    click.confirm(question, abort=True, err=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def shown_line(line: LogLine) -> str:
    """Return a line of a container's output, on a terminal without controls other than colours."""
    stream = sys.stderr if line.error else sys.stdout
    return visible(line.text, style=True) if stream.isatty() else line.text

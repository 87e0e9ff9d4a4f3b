"""Tables for people."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable

import click

from kharness.report.table import table_lines


def print_table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows below the names of their columns; nothing where there are none."""
    # Where nobody looks at it nothing is broken into lines.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, line in enumerate(table_lines(tuple(columns), rows, width=width)):
        click.secho(line, bold=None if number else True)

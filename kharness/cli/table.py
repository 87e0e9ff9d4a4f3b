"""Tables for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDE = 10_000


def print_table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows below the names of their columns; nothing where there are none."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    if table.row_count:
        # Where nobody looks at it nothing is broken into lines.
        Console(width=None if sys.stdout.isatty() else WIDE, highlight=False).print(table)

"""Tables for people, as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from unicodedata import combining, east_asian_width

GAP = 2
NARROWEST = 6
"""Characters of a column that is folded, at the least."""
MORE = "\N{HORIZONTAL ELLIPSIS}"
ODD = "\N{REPLACEMENT CHARACTER}"

Row = Sequence[str]


def table_lines(columns: Row, rows: Iterable[Row], *, width: int | None = None) -> Iterator[str]:
    """Return the names of the columns, then the rows; nothing where there are none.

    Where all of it is wider than `width`, the cells of the widest columns are folded into several lines.
    """
    cells = [[_lines(cell) for cell in row] for row in rows]
    if not cells:
        return
    cells.insert(0, [[name] for name in columns])
    widths = [max(cell_width(line) for cell in column for line in cell) for column in zip(*cells, strict=True)]
    if width is not None:
        widths = _fitted(widths, width - GAP * (len(widths) - 1))
    for row in cells:
        folded = [
            [part for line in cell for part in _folded(line, room)] for cell, room in zip(row, widths, strict=True)
        ]
        for parts in zip_longest(*folded, fillvalue=""):
            yield row_line(parts, widths)


def row_line(cells: Row, widths: Sequence[int]) -> str:
    """Return cells side by side, each as wide as it is told."""
    padded = (f"{cell}{' ' * (width - cell_width(cell))}" for cell, width in zip(cells, widths, strict=True))
    return (" " * GAP).join(padded).rstrip()


def cell_width(text: str) -> int:
    """Return how many columns of a terminal a line takes."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


def printable(text: str) -> str:
    """Return a line without what a terminal would obey."""
    return text if text.isprintable() else "".join(map(_printable, text))


def cut(text: str, width: int) -> str:
    """Return as much of a line as `width` columns of a terminal have room for; a sign says that there is more."""
    if cell_width(text) <= width:
        return text
    while text and cell_width(text) > width - 1:
        text = text[:-1]
    return f"{text}{MORE}"[:width]


def _lines(cell: str) -> list[str]:
    return [printable(line) for line in cell.splitlines()] or [""]


def _fitted(widths: list[int], room: int) -> list[int]:
    found = list(widths)
    while sum(found) > room and max(found) > NARROWEST:
        found[found.index(max(found))] -= 1
    return found


def _folded(line: str, room: int) -> Iterator[str]:
    part, taken = "", 0
    for each in line:
        wide = cell_width(each)
        if taken + wide > room and part:
            yield part
            part, taken = "", 0
        part, taken = part + each, taken + wide
    yield part


def _printable(each: str) -> str:
    if each.isprintable():
        return each
    return " " if each.isspace() else ODD


def _character_width(each: str) -> int:
    if combining(each):
        return 0
    return 2 if east_asian_width(each) in {"W", "F"} else 1

"""Times, and tables for people, as lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

from kharness.plan.text import size_text

if TYPE_CHECKING:
    from kharness.plan.volumes.snapshots import Writes

MINUTE, HOUR, DAY = 60, 3600, 86400


def time_text(at: float) -> str:
    """Return seconds since the epoch as this host's date and time."""
    return datetime.fromtimestamp(at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def lasting_text(seconds: float) -> str:
    """Return a duration in its greatest unit, rounded down: `45 s`, `3 min`, `7 h`, `12 days`."""
    for unit, size in (("days", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= (2 * size if unit == "days" else size):
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds // 1:.0f} s"


def writes_text(writes: Writes | None) -> str:
    """Return what was written as `3 files (12.4 kB), the newest from 2026-11-21 17:03:12: a, b, c`."""
    if writes is None:
        return "what was written is unknown"
    if not writes.count:
        return "nothing"
    files = "1 file" if writes.count == 1 else f"{writes.count} files"
    gone = f", {writes.removed} of them removed" if writes.removed else ""
    newest = f", the newest from {time_text(writes.newest)}" if writes.newest is not None else ""
    more = f" and {writes.count - len(writes.names)} more" if writes.count > len(writes.names) else ""
    return f"{files} ({size_text(writes.size)}{gone}){newest}: {', '.join(writes.names)}{more}"


GAP = 2
NARROWEST = 16
"""Characters of a column that is folded, at the least, where its cells have as many."""
MORE = "\N{HORIZONTAL ELLIPSIS}"
ODD = "\N{REPLACEMENT CHARACTER}"

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table, and how they fit a narrow terminal.

    First the cells of the `folded` ones are folded, between words. Then the `dispensable` ones are left out, in their
    order. Then the last columns go below the others, to a line of their own in each row. A word is never cut and never
    broken, so that a name, an id, an address or a path can be copied.
    """

    columns: tuple[str, ...]
    folded: frozenset[str] = frozenset()
    dispensable: tuple[str, ...] = ()


def table_lines(layout: Layout, rows: Iterable[Row], *, width: int | None = None) -> Iterator[str]:
    """Return the names of the columns, then the rows; nothing where there are none. See `table_rows`."""
    for lines in table_rows(layout, rows, width=width):
        yield from lines


def table_rows(layout: Layout, rows: Iterable[Row], *, width: int | None = None) -> Iterator[tuple[str, ...]]:
    """Return the lines of the heading, then those of each row; nothing where there are no rows.

    Without a `width` each cell is as wide as it is, and nothing is folded or left out.
    """
    cells = [[_lines(cell) for cell in row] for row in rows]
    if not cells:
        return
    columns = [_column(name, [row[at] for row in cells], layout) for at, name in enumerate(layout.columns)]
    groups = [columns] if width is None else _arranged(columns, layout.dispensable, width)
    heading: list[list[str]] = [[name] for name in layout.columns]
    for row in (heading, *cells):
        yield tuple(line for number, group in enumerate(groups) for line in _row(row, group, below=number > 0))


@dataclass(frozen=True, slots=True)
class _Column:
    """A column at its place: as wide as `width`; `least` is what it can be folded to."""

    name: str
    at: int
    width: int
    least: int


def _column(name: str, cells: Sequence[Sequence[str]], layout: Layout) -> _Column:
    lines = [line for cell in cells for line in cell]
    widest = max(map(cell_width, lines))
    least = widest
    if name in layout.folded:
        least = max(_widest_word(lines), min(widest, NARROWEST))
    return _Column(name, layout.columns.index(name), max(widest, cell_width(name)), max(least, _widest_word([name])))


def _widest_word(lines: Iterable[str]) -> int:
    return max((cell_width(word) for line in lines for word in line.split()), default=0)


def _arranged(columns: list[_Column], dispensable: Iterable[str], width: int) -> list[list[_Column]]:
    for name in dispensable:
        if _taken(each.least for each in columns) <= width:
            break
        columns = [each for each in columns if each.name != name]
    groups: list[list[_Column]] = [[]]
    for each in columns:
        room = width - (GAP if len(groups) > 1 else 0)
        if groups[-1] and _taken(one.least for one in (*groups[-1], each)) > room:
            groups.append([])
        groups[-1].append(each)
    return [_shrunk(group, width - (GAP if number else 0)) for number, group in enumerate(groups)]


def _shrunk(columns: list[_Column], room: int) -> list[_Column]:
    found = list(columns)
    while _taken(each.width for each in found) > room:
        shrinkable = [each for each in found if each.width > each.least]
        if not shrinkable:
            break
        widest = max(shrinkable, key=lambda each: each.width)
        found[found.index(widest)] = replace(widest, width=widest.width - 1)
    return found


def _taken(widths: Iterable[int]) -> int:
    found = list(widths)
    return sum(found) + GAP * (len(found) - 1)


def _row(cells: Sequence[Sequence[str]], columns: Sequence[_Column], *, below: bool) -> Iterator[str]:
    folded = [[part for line in cells[each.at] for part in _folded(line, each.width)] for each in columns]
    for parts in zip_longest(*folded, fillvalue=""):
        line = row_line(parts, [each.width for each in columns])
        # What is empty below its row needs no line.
        if line or not below:
            yield f"{' ' * GAP}{line}" if below else line


def row_line(cells: Row, widths: Sequence[int]) -> str:
    """Return cells side by side, each padded to its width."""
    padded = (f"{cell}{' ' * (width - cell_width(cell))}" for cell, width in zip(cells, widths, strict=True))
    return (" " * GAP).join(padded).rstrip()


def cell_width(text: str) -> int:
    """Return how many columns of a terminal a line takes."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


def printable(text: str) -> str:
    """Return a line without control characters."""
    return text if text.isprintable() else "".join(map(_printable, text))


def cut(text: str, width: int) -> str:
    """Return a line cut to `width` columns of a terminal, with an ellipsis if it was longer."""
    if cell_width(text) <= width:
        return text
    while text and cell_width(text) > width - 1:
        text = text[:-1]
    return f"{text}{MORE}"[:width]


def _lines(cell: str) -> list[str]:
    return [printable(line) for line in cell.splitlines()] or [""]


def _folded(line: str, room: int) -> Iterator[str]:
    part = ""
    for word in re.findall(r"\S+\s*", line) if cell_width(line) > room else (line,):
        if part and cell_width(part) + cell_width(word.rstrip()) > room:
            yield part.rstrip()
            part = ""
        part += word
    yield part.rstrip()


def _printable(each: str) -> str:
    if each.isprintable():
        return each
    return " " if each.isspace() else ODD


def _character_width(each: str) -> int:
    if combining(each):
        return 0
    return 2 if east_asian_width(each) in {"W", "F"} else 1

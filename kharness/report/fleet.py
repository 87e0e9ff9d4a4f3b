"""Work on many containers: a board while it goes on, a summary at its end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kharness.plan.outcome import Outcome, Result
from kharness.report.released import Line
from kharness.report.table import cut, printable

COLUMNS = ("name", "wave", "result", "seconds")
WAITING, WORKING = "waits", "at work"
MARGIN = 2
GAP = "  "
WORD = re.compile(r"[^\W\d_]{2}")
SHORTEST = 20
"""Columns that a terminal is taken to have at the least."""


@dataclass(slots=True, kw_only=True)
class Row:
    """What a board shows of a container: `what` it does now, since `began`, or how it ended."""

    name: str
    what: str = WAITING
    began: float | None = None
    outcome: Outcome | None = None

    @property
    def working(self) -> bool:
        """Whether somebody works on it."""
        return self.began is not None and self.outcome is None


def board(rows: Iterable[Row], *, columns: int, lines: int, now: float) -> tuple[Line, ...]:
    """Return a line for each container, and how many are done; where there is no room, those that matter most."""
    rows = tuple(rows)
    room = max(1, lines - MARGIN)
    columns = max(SHORTEST, columns) - 1
    shown = rows if len(rows) <= room else _first(rows, room)
    width = max((len(row.name) for row in rows), default=0)
    found = [Line(cut(_row_text(row, width=width, now=now), columns), _row_tone(row)) for row in shown]
    return (*found, Line(cut(counts_text(rows), columns)))


def counts_text(rows: Iterable[Row]) -> str:
    """Return how many are done, and how many are not: `3 of 20 done, 1 failed, 4 at work`."""
    rows = tuple(rows)
    ends = Counter(row.outcome.result for row in rows if row.outcome)
    failed = sum(ends.values()) - ends[Result.DONE]
    working = sum(row.working for row in rows)
    parts = [f"{ends[Result.DONE]} of {len(rows)} done"]
    parts += [f"{failed} not"] if failed else []
    parts += [f"{working} at work"] if working else []
    return ", ".join(parts)


def said_last(lines: Sequence[str]) -> str:
    """Return the last line that has words: the dots of a test's progress have none."""
    return next((line for line in reversed(lines) if WORD.search(line)), "")


def outcome_row(outcome: Outcome) -> tuple[str, ...]:
    """Return a row of the summary."""
    wave = "" if outcome.wave is None else str(outcome.wave)
    seconds = f"{outcome.seconds:.1f}" if outcome.log is not None else ""
    return outcome.name, wave, result_text(outcome), seconds


def result_text(outcome: Outcome) -> str:
    """Return how it ended, in a few words."""
    match outcome.result:
        case Result.DONE:
            return outcome.text
        case Result.HELD:
            return f"held back: {outcome.text}"
        case result:
            return str(result.value)


def ended_text(outcome: Outcome) -> str:
    """Return how it ended, in a line."""
    if outcome.result in {Result.HELD, Result.LEFT}:
        return result_text(outcome)
    said = _first_line(outcome) or "done"
    if outcome.result is not Result.DONE:
        said = ": ".join(filter(None, (outcome.result.value, said)))
    return f"{said}, {outcome.seconds:.1f} s"


def detail_lines(outcomes: Iterable[Outcome]) -> Iterator[Line]:
    """Yield why something failed, where its output is, and what else is to be known."""
    for outcome in outcomes:
        if outcome.result in {Result.FAILED, Result.INTERRUPTED}:
            yield Line(": ".join(filter(None, (outcome.name, outcome.result.value, _first_line(outcome)))), "bad")
            yield from (Line(f"    {line}") for line in outcome.text.splitlines()[1:])
            yield from (Line(f"    | {line}") for line in outcome.tail)
            if outcome.log is not None:
                yield Line(f"    its output: {outcome.log}")
        for note in outcome.notes:
            yield Line(f"{outcome.name}: note: {note}", "doubtful")


def outcome_value(outcome: Outcome) -> dict[str, Any]:
    """Return it as plain values."""
    return {
        "name": outcome.name,
        "wave": outcome.wave,
        "result": outcome.result.value,
        "text": outcome.text,
        "notes": list(outcome.notes),
        "seconds": round(outcome.seconds, 3),
        "log": str(outcome.log) if outcome.log else None,
        **outcome.data,
    }


def _first(rows: tuple[Row, ...], room: int) -> tuple[Row, ...]:
    order = [row for row in rows if row.working]
    order += [row for row in rows if row.outcome and row.outcome.result is not Result.DONE]
    order += [row for row in rows if row.began is None and row.outcome is None]
    order += [row for row in reversed(rows) if row.outcome and row.outcome.result is Result.DONE]
    chosen = {row.name for row in order[:room]}
    return tuple(row for row in rows if row.name in chosen)


def _first_line(outcome: Outcome) -> str:
    # Errors begin with the container's name, where they stand alone; an interrupt with that word.
    first = (outcome.text.splitlines() or [""])[0].removeprefix(f"{outcome.name}: ")
    return first.removeprefix(outcome.result.value).removeprefix(": ").removeprefix(", and ")


def _row_text(row: Row, *, width: int, now: float) -> str:
    name = f"{row.name:<{width}}"
    if row.outcome is not None:
        return f"{name}{GAP}{printable(ended_text(row.outcome)).strip()}"
    if row.began is None:
        return f"{name}{GAP}{WAITING}"
    return f"{name}{GAP}{now - row.began:5.1f} s{GAP}{printable(row.what).strip()}"


def _row_tone(row: Row) -> str:
    if row.outcome is None:
        return "detail"
    return "good" if row.outcome.result is Result.DONE else "bad"

"""Many containers: progress board and summary of a group, `check-all-up`, and the table of `status`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kharness.plan.facts import ContainerFacts
from kharness.plan.fleet.course import End, JobResult
from kharness.plan.fleet.status import Checked, Other, Status, starting_text
from kharness.plan.launch.life import is_finished_job, seconds_up, why_not_up
from kharness.report.project import health_text, listed_row, listed_value, ports_text, wave_text
from kharness.report.release import Line
from kharness.report.table import DAY, HOUR, MINUTE, Layout, cut, printable, table_rows


def checked_lines(checked: Sequence[Checked], others: Sequence[Other]) -> Iterator[Line]:
    """Yield which containers were stopped on purpose, and which do not start with this host."""
    for each in checked:
        if each.note:
            yield Line(f"{each.name}: {each.note}", "doubtful")
    if others:
        yield Line(starting_text(len(checked), len(others)), "detail" if checked else "bad")
        for other in others:
            yield Line(f"  {other.name}: does not, and {other.state}", "detail" if other.runs else "doubtful")


RESULTS = Layout(("name", "wave", "result", "seconds"), folded=frozenset({"result"}))
GLANCE = Layout(
    ("name", "wave", "state", "health", "up", "image", "latest", "drift", "test", "mem", "cpu", "ports"),
    folded=frozenset({"state", "ports"}),
    dispensable=("wave", "latest", "cpu", "image", "mem", "drift", "test", "up", "health"),
)
KIB, PERCENT = 1024, 100
WAITING, WORKING = "waits", "at work"
MARGIN = 2
GAP = "  "
WORD = re.compile(r"[^\W\d_]{2}")
SHORTEST = 20
"""The least number of columns that a terminal is assumed to have."""


@dataclass(slots=True, kw_only=True)
class Row:
    """A container on the board: `what` it does now, since `began`, or its result."""

    name: str
    what: str = WAITING
    began: float | None = None
    result: JobResult | None = None

    @property
    def working(self) -> bool:
        """Whether its work has begun and not ended."""
        return self.began is not None and self.result is None


def board(rows: Iterable[Row], *, columns: int, lines: int, now: float) -> tuple[Line, ...]:
    """Return a line for each container, and a line of counts; on a small terminal, the containers that matter most."""
    rows = tuple(rows)
    room = max(1, lines - MARGIN)
    columns = max(SHORTEST, columns) - 1
    shown = rows if len(rows) <= room else _first(rows, room)
    width = max((len(row.name) for row in rows), default=0)
    found = [Line(cut(_row_text(row, width=width, now=now), columns), _row_tone(row)) for row in shown]
    return (*found, Line(cut(counts_text(rows), columns)))


def counts_text(rows: Iterable[Row]) -> str:
    """Return the counts: `3 of 20 done, 1 not, 4 at work`."""
    rows = tuple(rows)
    ends = Counter(row.result.end for row in rows if row.result)
    failed = sum(ends.values()) - ends[End.DONE]
    working = sum(row.working for row in rows)
    parts = [f"{ends[End.DONE]} of {len(rows)} done"]
    parts += [f"{failed} not"] if failed else []
    parts += [f"{working} at work"] if working else []
    return ", ".join(parts)


def last_words(lines: Sequence[str]) -> str:
    """Return the last line with words in it, not the dots of a test's progress."""
    return next((line for line in reversed(lines) if WORD.search(line)), "")


def result_row(result: JobResult) -> tuple[str, ...]:
    """Return a row of the summary."""
    wave = "" if result.wave is None else str(result.wave)
    seconds = f"{result.seconds:.1f}" if result.log is not None else ""
    return result.name, wave, result_text(result), seconds


def result_text(result: JobResult) -> str:
    """Return how it ended, in a few words."""
    match result.end:
        case End.DONE:
            return result.text
        case End.HELD:
            return f"held back: {result.text}"
        case end:
            return str(end.value)


def ended_text(result: JobResult) -> str:
    """Return how it ended, in a line."""
    if result.end in {End.HELD, End.LEFT}:
        return result_text(result)
    text = _first_line(result) or "done"
    if result.end is not End.DONE:
        text = ": ".join(filter(None, (result.end.value, text)))
    return f"{text}, {result.seconds:.1f} s"


def detail_lines(results: Iterable[JobResult]) -> Iterator[Line]:
    """Yield why work failed, where its output is, and all notes."""
    for result in results:
        if result.end in {End.FAILED, End.INTERRUPTED}:
            yield Line(": ".join(filter(None, (result.name, result.end.value, _first_line(result)))), "bad")
            yield from (Line(f"    {line}") for line in result.text.splitlines()[1:])
            yield from (Line(f"    | {line}") for line in result.tail)
            if result.log is not None:
                yield Line(f"    its output: {result.log}")
        for note in result.notes:
            yield Line(f"{result.name}: note: {note}", "doubtful")


def result_value(result: JobResult) -> dict[str, Any]:
    """Return a result as plain values."""
    return {
        "name": result.name,
        "wave": result.wave,
        "result": result.end.value,
        "text": result.text,
        "notes": list(result.notes),
        "seconds": round(result.seconds, 3),
        "log": str(result.log) if result.log else None,
        **result.data,
    }


def status_lines(found: Sequence[Status], *, now: float, width: int | None) -> Iterator[Line]:
    """Yield the table, nothing without containers. `width` is the terminal's, None for a pipe."""
    rows = [_status_row(each, now=now) for each in found]
    # Empty columns are left out.
    names = tuple(name for name in GLANCE.columns if name == "name" or any(row[name] for row in rows))
    cells = (tuple(row[name] for name in names) for row in rows)
    tables = table_rows(replace(GLANCE, columns=names), cells, width=width)
    for lines, tone in zip(tables, ("heading", *map(_status_tone, found)), strict=False):
        yield from (Line(line, tone) for line in lines)


def status_value(status: Status, *, now: float) -> dict[str, Any]:
    """Return it as plain values: ages in seconds, bytes, `cpu` in processors; None for what is not known."""
    tested, scan, usage = status.tested, status.scan, status.usage
    return {
        **listed_value(status.listed, now=now),
        "settings": status.broken or None,
        "image_age": _age(status.image_at, now),
        "newer": status.newer,
        "changed_by_hand": [str(each) for each in status.changes.by_hand],
        "settings_changed": status.changes.stale,
        "stays_down": status.down or None,
        "test": tested
        and {"passed": tested.passed, "mode": tested.mode, "image": tested.image, "age": _age(tested.at, now)},
        "drift": scan and {"left": scan.left, "problem": scan.problem or None, "age": _age(scan.at, now)},
        "memory": usage and usage.memory,
        "memory_limit": usage and usage.memory_limit,
        "cpu": status.cpu,
    }


def brief_text(seconds: float) -> str:
    """Return how long something lasts in its greatest unit, rounded down: `45s`, `3m`, `7h`, `12d`."""
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return f"{max(seconds, 0) // 1:.0f}s"


def memory_text(number: float) -> str:
    """Return bytes of memory, in the units in which it is limited: `300K`, `12.4M`, `1.5G`."""
    for unit in ("K", "M", "G"):
        number /= KIB
        if number < KIB:
            return f"{number:.0f}{unit}" if unit == "K" or number >= PERCENT else f"{number:.1f}{unit}"
    return f"{number / KIB:.1f}T"


def _first(rows: tuple[Row, ...], room: int) -> tuple[Row, ...]:
    order = [row for row in rows if row.working]
    order += [row for row in rows if row.result and row.result.end is not End.DONE]
    order += [row for row in rows if row.began is None and row.result is None]
    order += [row for row in reversed(rows) if row.result and row.result.end is End.DONE]
    chosen = {row.name for row in order[:room]}
    return tuple(row for row in rows if row.name in chosen)


def _first_line(result: JobResult) -> str:
    # The text of an error may begin with the container's name, that of an interrupt with "interrupted".
    first = (result.text.splitlines() or [""])[0].removeprefix(f"{result.name}: ")
    return first.removeprefix(result.end.value).removeprefix(": ").removeprefix(", and ")


def _row_text(row: Row, *, width: int, now: float) -> str:
    name = f"{row.name:<{width}}"
    if row.result is not None:
        return f"{name}{GAP}{printable(ended_text(row.result)).strip()}"
    if row.began is None:
        return f"{name}{GAP}{WAITING}"
    return f"{name}{GAP}{now - row.began:5.1f} s{GAP}{printable(row.what).strip()}"


def _row_tone(row: Row) -> str:
    if row.result is None:
        return "detail"
    return "good" if row.result.end is End.DONE else "bad"


def _status_row(status: Status, *, now: float) -> Mapping[str, str]:
    listed, facts = status.listed, status.listed.facts
    name, state, *_ = listed_row(listed, now=now)
    up = seconds_up(facts, now=now) if facts else None
    cells = {
        "name": name,
        "wave": wave_text(listed),
        "state": _state_cell(status, state),
        "health": health_text(facts) if facts else "",
        "up": "" if up is None else brief_text(up),
        "image": _image_cell(status, facts, now),
        "latest": "newer" if status.newer else "",
        "drift": _drift_cell(status, now),
        "test": _test_cell(status, now),
        "mem": memory_text(status.usage.memory) if status.usage else "",
        "cpu": "" if status.cpu is None else f"{status.cpu * PERCENT:.0f}%",
        "ports": ports_text(facts.published) if facts else "",
    }
    return {key: cell.partition("\n")[0] for key, cell in cells.items()}


def _state_cell(status: Status, text: str) -> str:
    if status.broken:
        return f"{text}, settings broken" if status.listed.facts else "settings broken"
    changes = status.changes
    by_hand = "differs" if changes.unclear else "changed by hand"
    more = by_hand if changes.by_hand else "settings changed" if changes.stale else ""
    return f"{text}, {more}" if more else text


def _image_cell(status: Status, facts: ContainerFacts | None, now: float) -> str:
    age = "" if status.image_at is None else brief_text(now - status.image_at)
    other = facts is not None and facts.image_id != status.listed.live
    return ", ".join(filter(None, (age, "not live" if other else "")))


def _drift_cell(status: Status, now: float) -> str:
    scan = status.scan
    if scan is None:
        return "-" if status.listed.facts and status.listed.facts.running else ""
    text = f"{scan.left} left" if scan.left else "unseen" if scan.problem else "clean"
    return f"{text} {brief_text(now - scan.at)}"


def _test_cell(status: Status, now: float) -> str:
    tested = status.tested
    if tested is None:
        return "-"
    text = f"{'passed' if tested.passed else 'FAILED'} {brief_text(now - tested.at)}"
    return text if tested.image == status.listed.live else f"{text}, not live"


def _status_tone(status: Status) -> str:
    facts, scan = status.listed.facts, status.scan
    down = facts is not None and not is_finished_job(facts) and bool(why_not_up(facts))
    if status.broken or down or (scan and scan.left):
        return "bad"
    changed = status.changes.by_hand or status.changes.stale or (facts and facts.image_id != status.listed.live)
    failed = (scan and scan.problem) or (status.tested and not status.tested.passed)
    return "doubtful" if changed or failed or not status.listed.known else "detail"


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else max(0.0, now - at)

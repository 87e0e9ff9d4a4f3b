"""What is known of containers at a glance, as a table that fits a terminal, and as values for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kharness.plan.facts import ContainerFacts
from kharness.plan.life import seconds_up, why_not_up
from kharness.plan.status import Status
from kharness.report.amounts import DAY, HOUR, MINUTE
from kharness.report.ps import health_text, listed_row, listed_value, ports_text, wave_text
from kharness.report.released import Line
from kharness.report.table import GAP, cell_width, cut, printable, row_line

STATE = "state"
COLUMNS = ("name", "wave", "state", "health", "up", "image", "latest", "drift", "test", "mem", "cpu", "ports")
DISPENSABLE = ("wave", "latest", "cpu", "image", "mem", "drift", "test", "up", "health")
"""What is left out where a terminal is too narrow for it, in this order. Ports are cut off before."""
SHORT_STATE = 15
"""Characters that are left of a long state before more than the wave is left out; `exited with 137` has them."""
SHORTEST = 12
"""Characters of the ports that are worth being shown."""
KIB, PERCENT = 1024, 100


def status_lines(found: Sequence[Status], *, now: float, width: int | None) -> Iterator[Line]:
    """Yield the table, none of its lines wider than `width`; nothing where there is nothing."""
    if not found:
        return
    heading = dict(zip(COLUMNS, COLUMNS, strict=True))
    rows = [heading, *(_row(each, now=now) for each in found)]
    widths = _widths(rows, width)
    for row, tone in zip(rows, ("heading", *map(_tone, found)), strict=True):
        line = row_line([cut(row[name], widths[name]) for name in widths], list(widths.values()))
        yield Line(line if width is None else cut(line, width), tone)


def status_value(status: Status, *, now: float) -> dict[str, Any]:
    """Return it as plain values: ages in seconds, bytes, `cpu` in processors; None for what is not known."""
    tested, scan, usage = status.tested, status.scan, status.usage
    return {
        **listed_value(status.listed, now=now),
        "settings": status.broken or None,
        "image_age": _age(status.image_at, now),
        "newer": status.newer,
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


def _row(status: Status, *, now: float) -> Mapping[str, str]:
    listed, facts = status.listed, status.listed.facts
    name, state, *_ = listed_row(listed, now=now)
    up = seconds_up(facts, now=now) if facts else None
    cells = {
        "name": name,
        "wave": wave_text(listed),
        "state": _state(status, state),
        "health": health_text(facts) if facts else "",
        "up": "" if up is None else brief_text(up),
        "image": _image(status, facts, now),
        "latest": "newer" if status.newer else "",
        "drift": _drift(status, now),
        "test": _test(status, now),
        "mem": memory_text(status.usage.memory) if status.usage else "",
        "cpu": "" if status.cpu is None else f"{status.cpu * PERCENT:.0f}%",
        "ports": ports_text(facts.published) if facts else "",
    }
    return {key: printable(cell.partition("\n")[0]) for key, cell in cells.items()}


def _state(status: Status, text: str) -> str:
    if not status.broken:
        return text
    return f"{text}, settings broken" if status.listed.facts else "settings broken"


def _image(status: Status, facts: ContainerFacts | None, now: float) -> str:
    age = "" if status.image_at is None else brief_text(now - status.image_at)
    other = facts is not None and facts.image_id != status.listed.live
    return ", ".join(filter(None, (age, "not live" if other else "")))


def _drift(status: Status, now: float) -> str:
    scan = status.scan
    if scan is None:
        return "-" if status.listed.facts and status.listed.facts.running else ""
    said = f"{scan.left} left" if scan.left else "unseen" if scan.problem else "clean"
    return f"{said} {brief_text(now - scan.at)}"


def _test(status: Status, now: float) -> str:
    tested = status.tested
    if tested is None:
        return "-"
    said = f"{'passed' if tested.passed else 'FAILED'} {brief_text(now - tested.at)}"
    return said if tested.image == status.listed.live else f"{said}, not live"


def _tone(status: Status) -> str:
    facts, scan = status.listed.facts, status.scan
    if status.broken or (facts and why_not_up(facts)) or (scan and scan.left):
        return "bad"
    doubtful = (scan and scan.problem) or (status.tested and not status.tested.passed) or not status.listed.known
    return "doubtful" if doubtful or (facts and facts.image_id != status.listed.live) else "detail"


def _widths(rows: Sequence[Mapping[str, str]], room: int | None) -> dict[str, int]:
    widths = {name: max(cell_width(row[name]) for row in rows) for name in COLUMNS}
    # A column without anything in it says nothing.
    widths = {name: width for name, width in widths.items() if name == "name" or any(row[name] for row in rows[1:])}
    first, *others = DISPENSABLE
    for name in (first, STATE, *others, "ports", ""):
        if room is None or (spare := room - _taken(widths)) >= 0:
            break
        ports = widths.get("ports", 0)
        if ports and ports + spare >= SHORTEST:
            widths["ports"] = ports + spare
            break
        if name == STATE:
            widths[STATE] = min(widths[STATE], SHORT_STATE)
        else:
            widths.pop(name, None)
    return widths


def _taken(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else max(0.0, now - at)

"""How a release ended, in words that say what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kharness.plan.facts import short_id
from kharness.plan.operation import Released

GOOD = {
    "promoted": "image {image} is live now",
    "unchanged": "image {image} was live already",
    "launched": "image {image} is live, and production runs it",
}
BAD = {
    "undone": "launched, but not fit: everything is as it was before",
    "broken": "launched, not fit, and NOT PUT BACK AS IT WAS: do what is left by hand, or let 'kharness recover' try",
    "failing": "production already ran this image, and fails its tests there",
}


class Line(NamedTuple):
    """A line and how it is meant: good, bad, doubtful, or a detail of the one before."""

    text: str
    tone: str = "detail"


def released_lines(released: Released) -> tuple[Line, ...]:
    """Return what is said of a release."""
    return tuple(_lines(released))


def reason_lines(reasons: Iterable[str]) -> Iterator[Line]:
    """Return reasons as a list; the further lines of one are indented."""
    for reason in reasons:
        first, *rest = reason.splitlines() or [""]
        yield Line(f"  - {first}")
        yield from (Line(f"    {line}") for line in rest)


def _lines(released: Released) -> Iterator[Line]:
    if released.ok:
        said = GOOD[released.kind].format(image=short_id(released.image))
        before = released.previous not in {None, released.image}
        said += f" (before: {short_id(released.previous)})" if before else ""
        yield Line(f"{released.name}: {said}", "good")
    else:
        yield Line(f"{released.name}: {BAD.get(released.kind, 'refused')}", "bad")
        yield from reason_lines(released.reasons)
    yield from (Line(f"  note: {note}", "doubtful") for note in released.notes)

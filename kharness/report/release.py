"""How a release ended, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from kharness.plan.facts import short_id
from kharness.plan.release.operation import Ending

if TYPE_CHECKING:
    from kharness.plan.release.operation import Released

GOOD = {
    Ending.PROMOTED: "image {image} is live now",
    Ending.UNCHANGED: "image {image} was live already",
    Ending.LAUNCHED: "image {image} is live, and production runs it",
}
BAD = {
    Ending.UNDONE: "release failed verification and was rolled back",
    Ending.BROKEN: "release failed verification and was NOT ROLLED BACK: "
    "do by hand what is left, or run 'kharness recover'",
    Ending.FAILING: "production already ran this image, and fails its verification",
}


class Line(NamedTuple):
    """A line and its tone: good, bad, doubtful, or a detail of the line before."""

    text: str
    tone: str = "detail"


def released_lines(released: Released) -> tuple[Line, ...]:
    """Return the lines about a release: its end, the reasons, and notes."""
    return tuple(_lines(released))


def reason_lines(reasons: Iterable[str]) -> Iterator[Line]:
    """Return reasons as a list; the further lines of a reason are indented."""
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

"""How two images differ, as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from kharness.plan.imagediff import Difference
from kharness.report.released import Line

SIGNS = {"added": ("+", "good"), "removed": ("-", "bad"), "changed": ("~", "doubtful")}


def section(title: str, found: Sequence[Difference], *, most: int | None) -> Iterator[Line]:
    """Return a heading and a line for each difference, `most` of them; nothing where there are none."""
    if not found:
        return
    yield Line(f"{title}: {len(found)}")
    for difference in found[:most]:
        yield _line(difference)
    if most is not None and len(found) > most:
        yield Line(f"  ... and {len(found) - most} more; --all shows them")


def section_value(found: Sequence[Difference]) -> list[dict[str, str | None]]:
    """Return differences as plain values, None for what is not there."""
    return [asdict(difference) for difference in found]


def _line(difference: Difference) -> Line:
    what, before, after = difference.what, difference.before, difference.after
    if before is None:
        sign, tone = SIGNS["added"]
        return Line(f"  {sign} {what} {after}".rstrip(), tone)
    if after is None:
        sign, tone = SIGNS["removed"]
        return Line(f"  {sign} {what} {before}".rstrip(), tone)
    sign, tone = SIGNS["changed"]
    said = before if before == after else f"{before} -> {after}"
    return Line(f"  {sign} {what}: {said}", tone)

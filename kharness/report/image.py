"""Images as text and as values: how two of them differ, and what hardening did to one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from kharness.plan.image.difference import ImageChange
from kharness.plan.image.hardening import Deed, Hardening
from kharness.report.release import Line

SIGNS = {"added": ("+", "good"), "removed": ("-", "bad"), "changed": ("~", "doubtful")}


def section(title: str, found: Sequence[ImageChange], *, most: int | None) -> Iterator[Line]:
    """Return a heading and a line for each difference, `most` of them; nothing where there are none."""
    if not found:
        return
    yield Line(f"{title}: {len(found)}")
    for difference in found[:most]:
        yield _line(difference)
    if most is not None and len(found) > most:
        yield Line(f"  ... and {len(found) - most} more; --all shows them")


def section_value(found: Sequence[ImageChange]) -> list[dict[str, str | None]]:
    """Return differences as plain values, None for what is not there."""
    return [asdict(difference) for difference in found]


def _line(difference: ImageChange) -> Line:
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


FIRST = 3
"""Names of a line, unless all are asked for."""


def hardening_lines(found: Hardening, *, everything: bool) -> Iterator[Line]:
    """Yield a line for what each step did, with its first names, or `everything` a line each; then what it left out."""
    width = max((len(deed.step) for deed in found.done), default=0)
    for deed in found.done:
        yield Line(_line_of_hardening(deed, width=width, first=0 if everything else FIRST))
        yield from (Line(f"    {visible(name)}") for name in (deed.names if everything else ()))
    if not found.done:
        yield Line("  there was nothing left to do")
    if found.off:
        yield Line(f"  switched off: {', '.join(found.off)}", "doubtful")
    if not found.whole:
        yield Line("  a part of the report of /prep did not arrive from the engine: the lists have gaps", "doubtful")


def hardening_value(found: Hardening) -> dict[str, Any]:
    """Return it as plain values, names as they are."""
    steps = [{**asdict(deed), "count": len(deed.names)} for deed in found.done]
    return {"family": found.family, "whole": found.whole, "off": list(found.off), "steps": steps}


def visible(name: str) -> str:
    """Return a name as it can be shown: with characters that steer a terminal, and line ends, as escapes."""
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _line_of_hardening(deed: Deed, *, width: int, first: int) -> str:
    names = ", ".join(visible(name) for name in deed.names[:first])
    more = ", ..." if names and len(deed.names) > first else ""
    return f"  {deed.step:<{width}} {len(deed.names):4} {deed.what}{': ' if names else ''}{names}{more}"

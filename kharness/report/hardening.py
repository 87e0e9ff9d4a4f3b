"""What hardening did to an image, as lines for people and as values for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from kharness.plan.hardening import Deed, Hardening
from kharness.report.released import Line

FIRST = 3
"""Names of a line, unless all are asked for."""


def hardening_lines(found: Hardening, *, everything: bool) -> Iterator[Line]:
    """Yield a line for what each step did, with its first names, or `everything` a line each; then what it left out."""
    width = max((len(deed.step) for deed in found.done), default=0)
    for deed in found.done:
        yield Line(_line(deed, width=width, first=0 if everything else FIRST))
        yield from (Line(f"    {visible(name)}") for name in (deed.names if everything else ()))
    if not found.done:
        yield Line("  there was nothing left to do")
    if found.off:
        yield Line(f"  switched off: {', '.join(found.off)}", "doubtful")
    if not found.whole:
        yield Line("  a part of what /prep told did not arrive from the engine: the lists have gaps", "doubtful")


def hardening_value(found: Hardening) -> dict[str, Any]:
    """Return it as plain values, names as they are."""
    steps = [{**asdict(deed), "count": len(deed.names)} for deed in found.done]
    return {"family": found.family, "whole": found.whole, "off": list(found.off), "steps": steps}


def visible(name: str) -> str:
    """Return a name as it can be shown: with characters that steer a terminal, and line ends, as escapes."""
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _line(deed: Deed, *, width: int, first: int) -> str:
    names = ", ".join(visible(name) for name in deed.names[:first])
    more = ", ..." if names and len(deed.names) > first else ""
    return f"  {deed.step:<{width}} {len(deed.names):4} {deed.what}{': ' if names else ''}{names}{more}"

"""The last section of a session: how each container fared, in words that say what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kharness.ops.session import TestSession
from kharness.plan.facts import short_id
from kharness.plan.modes import Mode

if TYPE_CHECKING:
    from kharness.plugin.decide import Decider


def summarize(reporter: pytest.TerminalReporter, decider: Decider, session: TestSession) -> None:
    """Write the section."""
    if decider.mode is Mode.IN_PROD:
        return
    names = sorted({*decider.facts, *decider.info.broken})
    reporter.section("kharness", "=", cyan=True)
    for name in names:
        _container(reporter, decider, name)
    for doubt in sorted(session.doubts):
        reporter.line(f"note: {doubt}", yellow=True)
    for container in sorted(session.kept):
        reporter.line(
            f"kept: {container}; enter it with 'docker exec -it {container} sh', remove it with 'kharness reap --kept'"
        )


def _container(reporter: pytest.TerminalReporter, decider: Decider, name: str) -> None:
    if name in decider.info.broken:
        reporter.line(f"{name}: its settings cannot be used; nothing was built", red=True)
        return
    facts, reasons = decider.facts[name], decider.reasons.get(name, ())
    asked = decider.config.option.promote or decider.config.option.launch
    image = short_id(facts.image)
    released = decider.released.get(name)
    if reasons:
        what = "refused" if asked else "not ready for promotion"
        reporter.line(f"{name}: {what}", red=True)
        _reasons(reporter, reasons)
    elif released is None and decider.interrupted:
        reporter.line(f"{name}: interrupted; what is live and in production is what it was before", yellow=True)
    elif released is None:
        how = "unchanged since it passed" if facts.known_good else _passed(len(facts.outcomes))
        next_ = "it is live" if decider.live.get(name) == facts.image else "--promote would make it live"
        reporter.line(f"{name}: {how}, image {image}; {next_}", green=True)
    elif released.ok:
        said = {
            "promoted": f"image {image} is live now",
            "unchanged": f"image {image} was live already",
            "launched": f"image {image} is live, and production runs it",
        }[released.kind]
        before = f" (before: {short_id(released.previous)})" if released.previous not in {None, facts.image} else ""
        reporter.line(f"{name}: {said}{before}", green=True)
    else:
        said = {
            "undone": "launched, but not fit: everything is as it was before",
            "broken": "launched, not fit, and NOT PUT BACK AS IT WAS: see what is left to do by hand",
            "failing": "production already ran this image, and fails its tests there",
        }.get(released.kind, "refused")
        reporter.line(f"{name}: {said}", red=True)
        _reasons(reporter, released.reasons)
    for note in released.notes if released else ():
        reporter.line(f"  note: {note}", yellow=True)


def _passed(count: int) -> str:
    return f"passed {count} test{'' if count == 1 else 's'}"


def _reasons(reporter: pytest.TerminalReporter, reasons: tuple[str, ...]) -> None:
    for reason in reasons:
        first, *rest = reason.splitlines()
        reporter.line(f"  - {first}")
        for line in rest:
            reporter.line(f"    {line}")

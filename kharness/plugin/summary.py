"""The last section of a session: how each container fared, in words that say what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from kharness.ops.session import TestSession
from kharness.plan.facts import short_id
from kharness.plan.gate import GateFacts
from kharness.plan.modes import Mode
from kharness.report.released import Line, reason_lines, released_lines

if TYPE_CHECKING:
    from kharness.plugin.decide import Decider


COLOURS = {"good": "green", "bad": "red", "doubtful": "yellow"}


def summarize(reporter: pytest.TerminalReporter, decider: Decider, session: TestSession) -> None:
    """Write the section."""
    if decider.mode is Mode.IN_PROD:
        return
    names = sorted({*decider.facts, *decider.info.broken})
    reporter.section("kharness", "=", cyan=True)
    for name in names:
        _container(reporter, decider, name)
    for name in names:
        if flaky := decider.outcomes.needed_more_tries(name):
            reporter.line(f"note: {name}: flaky: {', '.join(flaky)}", yellow=True)
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
        _write(reporter, reason_lines(reasons))
    elif released is None and decider.interrupted:
        reporter.line(f"{name}: interrupted; what is live and in production is what it was before", yellow=True)
    elif released is None:
        how = "unchanged since it passed" if facts.known_good else _passed(facts)
        next_ = "it is live" if decider.live.get(name) == facts.image else "--promote would make it live"
        reporter.line(f"{name}: {how}, image {image}; {next_}", green=True)
    else:
        _write(reporter, released_lines(released))


def _passed(facts: GateFacts) -> str:
    tests = len(facts.tests)
    checks = len(facts.outcomes) - tests
    said = f"passed {tests} test{'' if tests == 1 else 's'}"
    return f"{said} and {checks} check{'' if checks == 1 else 's'}" if checks else said


def _write(reporter: pytest.TerminalReporter, lines: Iterable[Line]) -> None:
    for line in lines:
        colour = COLOURS.get(line.tone)
        reporter.line(line.text, **({colour: True} if colour else {}))

"""What is newer than what is live, and how busy a container is: pure tables."""

from __future__ import annotations

import pytest

from kharness.plan.facts import ImageFacts, UsageFacts
from kharness.plan.fleet.status import busy, is_newer

OLD, NEW = (ImageFacts(id=name, created=f"2026-01-0{day}T00:00:00Z") for name, day in (("old", 1), ("new", 2)))


@pytest.mark.parametrize(
    ("latest", "live", "newer"),
    [
        (None, None, False),
        (None, OLD, False),
        (OLD, None, True),
        (OLD, OLD, False),
        (NEW, OLD, True),
        (OLD, NEW, False),
        (ImageFacts(id="undated"), OLD, True),
    ],
)
def test_an_image_that_was_built_after_the_live_one_is_newer(
    latest: ImageFacts | None,
    live: ImageFacts | None,
    newer: bool,  # noqa: FBT001
) -> None:
    assert is_newer(latest, live) is newer


def used(cpu: float, at: float) -> UsageFacts:
    return UsageFacts(memory=1, memory_limit=2, cpu=cpu, at=at)


@pytest.mark.parametrize(
    ("before", "after", "processors"),
    [
        (used(1, 10), used(2, 12), 0.5),
        (used(1, 10), used(1, 11), 0.0),
        (used(1, 10), used(4, 11), 3.0),
        (used(5, 10), used(1, 11), None),
        (used(1, 10), used(1, 10), None),
        (None, used(1, 10), None),
        (used(1, 10), None, None),
    ],
)
def test_processors_are_counted_between_two_moments(
    before: UsageFacts | None, after: UsageFacts | None, processors: float | None
) -> None:
    assert busy(before, after) == processors

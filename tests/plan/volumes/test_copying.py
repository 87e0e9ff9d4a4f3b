"""How a copy is made, and whether production stands still for it."""

from __future__ import annotations

import pytest

from kharness.errors import UsageError
from kharness.plan.volumes.copying import CopyCase, choose_freeze, choose_strategy, estimate
from kharness.settings.volumes import CopyStrategy, Freeze

AUTO, REFLINK, OVERLAY, REAL = (
    CopyStrategy.AUTO,
    CopyStrategy.REFLINK,
    CopyStrategy.OVERLAY,
    CopyStrategy.REAL,
)


def case(**facts: object) -> CopyCase:
    return CopyCase(**{"target": "/data", "reflink": "no btrfs", **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "strategy"),
    [
        (case(reflink=""), REFLINK),
        (case(reflink="", users=("web",)), REFLINK),
        (case(), OVERLAY),
        (case(users=("web",)), REAL),
        (case(kept=True), REAL),
        (case(overlay="only root"), REAL),
        (case(asked=REAL, reflink=""), REAL),
        (case(asked=OVERLAY, reflink=""), OVERLAY),
        (case(asked=REFLINK, reflink="", users=("web",)), REFLINK),
    ],
)
def test_the_cheapest_that_is_safe_is_taken_or_the_one_that_was_chosen(given: CopyCase, strategy: CopyStrategy) -> None:
    assert choose_strategy(given) is strategy


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (case(asked=REFLINK), "'reflink' is not possible: no btrfs"),
        (case(asked=OVERLAY, overlay="only root mounts an overlay"), "'overlay' is not possible: only root mounts"),
        (
            case(asked=OVERLAY, users=("web", "backup")),
            "'overlay' is not possible: web, backup runs and mounts the or",
        ),
        (case(asked=OVERLAY, kept=True), "'overlay' is not possible: an instance that is kept outlives"),
    ],
)
def test_a_strategy_that_was_chosen_and_cannot_be_had_is_refused(given: CopyCase, why: str) -> None:
    with pytest.raises(UsageError, match=f"^volumes: /data: test.strategy: {why}"):
        choose_strategy(given)


def test_an_overlay_takes_no_time_and_shared_blocks_none_for_their_size() -> None:
    assert estimate(OVERLAY, entries=10**6, size=10**12) == 0
    assert estimate(REFLINK, entries=10_000, size=10**12) == estimate(REFLINK, entries=10_000, size=0)
    assert estimate(REAL, entries=10_000, size=10**9) > estimate(REAL, entries=10_000, size=0)


def test_production_stands_still_for_what_is_short_enough() -> None:
    assert choose_freeze(Freeze.PAUSE, seconds=2.0, limit=2.0) == (Freeze.PAUSE, "")
    how, said = choose_freeze(Freeze.STOP, seconds=7.25, limit=2.0)
    assert how is Freeze.NONE
    assert said == "production went on meanwhile, because the copy may take 7.2 s and test.max_freeze is 2 s"
    assert choose_freeze(Freeze.NONE, seconds=0, limit=2.0)[0] is Freeze.NONE

"""Sizes and writes, as a person reads them."""

from __future__ import annotations

import pytest

from kharness.plan.snapshots import Writes
from kharness.report.amounts import size_text, time_text, writes_text


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (12_400, "12.4 kB"), (1.2e9, "1.2 GB"), (5e14, "500.0 TB")],
)
def test_sizes_have_the_unit_that_people_use(number: float, said: str) -> None:
    assert size_text(number) == said


@pytest.mark.parametrize(
    ("writes", "said"),
    [
        (None, "what was written cannot be told"),
        (Writes(), "nothing"),
        (Writes(added=1, size=5, newest=1e9, names=("a",)), f"1 file (5 bytes), the newest from {time_text(1e9)}: a"),
        (Writes(removed=2, names=("a", "b")), "2 files (0 bytes, 2 of them removed): a, b"),
        (
            Writes(added=3, changed=4, size=12_400, newest=1e9, names=("a", "b")),
            f"7 files (12.4 kB), the newest from {time_text(1e9)}: a, b and 5 more",
        ),
    ],
)
def test_what_was_written_is_one_line(writes: Writes | None, said: str) -> None:
    assert writes_text(writes) == said

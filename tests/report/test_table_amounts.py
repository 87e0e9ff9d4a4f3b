"""What was written, as a person reads it."""

from __future__ import annotations

import pytest

from kharness.plan.volumes.snapshots import Writes
from kharness.report.table import lasting_text, time_text, writes_text


@pytest.mark.parametrize(
    ("writes", "said"),
    [
        (None, "what was written is unknown"),
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


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (172_799, "47 h"),
        (172_800, "2 days"),
        (1e8, "1157 days"),
    ],
)
def test_what_lasts_is_told_in_its_greatest_unit(seconds: float, said: str) -> None:
    assert lasting_text(seconds) == said

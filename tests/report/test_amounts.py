"""What was written, as a person reads it."""

from __future__ import annotations

import pytest

from kharness.plan.snapshots import Writes
from kharness.report.amounts import time_text, writes_text


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

"""Times as engines write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from kharness.plan.text import moment


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-21T20:41:54Z", datetime(2026, 11, 21, 20, 41, 54, tzinfo=UTC)),
        ("2026-11-21T20:41:54.722398009Z", datetime(2026, 11, 21, 20, 41, 54, 722398, tzinfo=UTC)),
        (
            "2026-11-21T21:41:54.5+01:00",
            datetime(2026, 11, 21, 21, 41, 54, 500000, tzinfo=timezone(timedelta(hours=1))),
        ),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0000-01-01T00:00:00Z", None),
        ("2026-11-21T20:41:54", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_a_time_is_read_with_its_zone_or_not_at_all(text: str, found: datetime | None) -> None:
    assert moment(text) == found

"""Evidence that is not of an engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from kharness.ops.checks import now


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "EAST-14")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_east")
def test_a_waiver_ends_with_a_day_of_the_host_s_calendar() -> None:
    assert now().utcoffset() == timedelta(hours=14)

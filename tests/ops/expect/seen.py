"""What an expectation has seen where it does not hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kharness.errors import ExpectationError

SECRET = "hunter2-hunter2"
"""A value that no message may show."""
QUICK = 0.0
"""Seconds: one attempt, because nothing changes."""


def why(expectation: Callable[[], object]) -> str:
    """Return what was seen instead of what is expected."""
    with pytest.raises(ExpectationError) as caught:
        expectation()
    assert "hunter2" not in str(caught.value)
    return str(caught.value).partition("seen: ")[2]

"""Sizes, as a person reads them."""

from __future__ import annotations

import pytest

from kharness.plan.text import size_text


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (12_400, "12.4 kB"), (1.2e9, "1.2 GB"), (5e14, "500.0 TB")],
)
def test_sizes_have_the_unit_that_people_use(number: float, said: str) -> None:
    assert size_text(number) == said

"""What an image is made from, and when."""

from __future__ import annotations

from kharness.plan.checks.image import Age, Origin
from tests.plan.checks.given import BUILT, found


def test_a_base_that_is_locked_elsewhere_is_pinned() -> None:
    assert found("KH302", Origin(references=("ktools/base:live",), locked=frozenset({"ktools/base:live"}))) == []


def test_an_image_without_a_creation_time_is_a_finding() -> None:
    assert found("KH309", Age(created=None, now=BUILT)) == ["the image does not record when it was made"]

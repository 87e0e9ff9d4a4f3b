from __future__ import annotations

import os

from kharness.plan.trees import compare


def test_what_differs_is_given_with_both_sides_in_the_order_of_bytes() -> None:
    odd = os.fsdecode(b"\xff")
    before = {"same": 1, "gone": 2, "b": 3, "é": 4}
    after = {"same": 1, "b": 4, odd: 5, "é": 6}
    assert list(compare(before, after)) == [("b", 3, 4), ("gone", 2, None), ("é", 4, 6), (odd, None, 5)]


def test_the_same_differs_in_nothing() -> None:
    assert not list(compare({"a": 1}, {"a": 1}))

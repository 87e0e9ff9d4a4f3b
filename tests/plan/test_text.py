"""What a log repeats is counted, and what is between stays."""

from __future__ import annotations

import pytest

from kharness.plan.text import last_lines


def test_lines_about_each_look_are_counted_and_the_reason_stays() -> None:
    looks = [line for port in range(40_000, 40_048) for line in (f"127.0.0.1:{port}: GET /", f"{port}: 503")]
    assert last_lines("\n".join(["cannot open the database", *looks, "giving up"]), 20) == [
        "cannot open the database",
        "127.0.0.1:40000: GET /",
        "40000: 503",
        "(these 2 lines 46 times more, with other numbers, and then)",
        "127.0.0.1:40047: GET /",
        "40047: 503",
        "giving up",
    ]


def test_one_line_that_comes_often_is_one_with_its_last() -> None:
    lines = [f"2026-11-30T10:00:{number:02} try {number}" for number in range(9)]
    assert last_lines("\n".join(lines), 20) == [
        lines[0],
        "(this line 7 times more, with other numbers, and then)",
        lines[8],
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["a"],
        ["step 1", "step 2", "step 3"],
        ["starting", "failed", "starting", "failed", "starting"],
        ["one", "two", "three", "four"] * 3,
    ],
)
def test_what_comes_seldom_is_all_shown(lines: list[str]) -> None:
    assert last_lines("\n".join(lines), 20) == lines


def test_of_the_rest_the_end_is_shown() -> None:
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
    assert last_lines("\n".join(words), 2) == ["epsilon", "zeta"]

"""Tables are as wide as their contents, or as the terminal."""

from __future__ import annotations

import pytest

from kharness.report.table import cell_width, table_lines

ROWS = (("web", "runs", "10.0.0.1:8080:80"), ("a-longer-name", "", "80"))


def test_columns_are_aligned_and_nothing_stands_behind_the_last() -> None:
    assert list(table_lines(("name", "state", "ports"), ROWS)) == [
        "name           state  ports",
        "web            runs   10.0.0.1:8080:80",
        "a-longer-name         80",
    ]


def test_no_rows_are_no_table() -> None:
    assert list(table_lines(("name",), ())) == []


def test_what_is_too_wide_is_folded_and_nothing_is_lost() -> None:
    lines = list(table_lines(("name", "state", "ports"), ROWS, width=30))
    assert lines == [
        "name        state  ports",
        "web         runs   10.0.0.1:80",
        "                   80:80",
        "a-longer-n         80",
        "ame",
    ]
    assert max(map(len, table_lines(("a",) * 3, [("x" * 90,) * 3], width=40))) == 40


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("名前", 4), ("é", 1), ("e\N{COMBINING ACUTE ACCENT}", 1)])
def test_a_cell_is_as_wide_as_a_terminal_shows_it(text: str, width: int) -> None:
    assert cell_width(text) == width
    heading, line = table_lines(("a", "b"), [(text, "|")])
    assert heading.index("b") == 2 + max(width, 1)
    assert line.endswith("|")
    assert cell_width(line) == 3 + max(width, 1)


def test_what_a_container_says_does_not_reach_the_terminal_as_a_command() -> None:
    assert list(table_lines(("a", "b"), [("x\x1b[2Jy", "one\ntwo\r")])) == [
        "a       b",
        "x\N{REPLACEMENT CHARACTER}[2Jy  one",
        "        two",
    ]

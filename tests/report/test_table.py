"""Tables are as wide as their contents, or as the terminal."""

from __future__ import annotations

import pytest

from kharness.report.table import Layout, cell_width, table_lines

PORTS = Layout(("name", "state", "ports"), folded=frozenset({"ports"}), dispensable=("state",))
ROWS = (("web", "runs", "10.0.0.1:8080:80"), ("a-longer-name", "", "80 443"))


def test_columns_are_aligned_and_nothing_stands_behind_the_last() -> None:
    assert list(table_lines(PORTS, ROWS)) == [
        "name           state  ports",
        "web            runs   10.0.0.1:8080:80",
        "a-longer-name         80 443",
    ]


def test_no_rows_are_no_table() -> None:
    assert list(table_lines(PORTS, (), width=80)) == []


def test_what_is_too_wide_is_folded_between_words() -> None:
    rows = [("web", "runs", "10.0.0.1:8080:80 10.0.0.1:8443:443 53:53/udp")]
    assert list(table_lines(PORTS, rows, width=40)) == [
        "name  state  ports",
        "web   runs   10.0.0.1:8080:80",
        "             10.0.0.1:8443:443 53:53/udp",
    ]
    assert list(table_lines(PORTS, rows, width=31)) == [
        "name  state  ports",
        "web   runs   10.0.0.1:8080:80",
        "             10.0.0.1:8443:443",
        "             53:53/udp",
    ]


def test_what_then_is_too_wide_is_without_what_it_can_do_without() -> None:
    assert list(table_lines(PORTS, ROWS, width=35)) == [
        "name           ports",
        "web            10.0.0.1:8080:80",
        "a-longer-name  80 443",
    ]


def test_whole_columns_go_below_their_rows_where_nothing_else_is_left() -> None:
    layout = Layout(("name", "image", "path"))
    rows = [("web", "0123456789ab", "/srv/a/long/path"), ("db", "ba9876543210", "")]
    assert list(table_lines(layout, rows, width=30)) == [
        "name  image",
        "  path",
        "web   0123456789ab",
        "  /srv/a/long/path",
        "db    ba9876543210",
    ]
    # A word is longer than the terminal is wide: it stays one, and can be copied.
    assert list(table_lines(layout, rows, width=8))[3:6] == ["web", "  0123456789ab", "  /srv/a/long/path"]


def test_a_heading_is_folded_where_its_column_is_narrower() -> None:
    layout = Layout(("before the launch of", "in place of"))
    rows = [("0123456789ab", "ba9876543210")]
    assert list(table_lines(layout, rows, width=30)) == [
        "before the        in place of",
        "launch of",
        "0123456789ab      ba9876543210",
    ]


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("名前", 4), ("é", 1), ("e\N{COMBINING ACUTE ACCENT}", 1)])
def test_a_cell_is_as_wide_as_a_terminal_shows_it(text: str, width: int) -> None:
    assert cell_width(text) == width
    heading, line = table_lines(Layout(("a", "b")), [(text, "|")])
    assert heading.index("b") == 2 + max(width, 1)
    assert line.endswith("|")
    assert cell_width(line) == 3 + max(width, 1)


def test_what_a_container_says_does_not_reach_the_terminal_as_a_command() -> None:
    assert list(table_lines(Layout(("a", "b")), [("x\x1b[2Jy", "one\ntwo\r")])) == [
        "a       b",
        "x\N{REPLACEMENT CHARACTER}[2Jy  one",
        "        two",
    ]

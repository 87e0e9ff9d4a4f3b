"""Lines of an env file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.plan.launch.environment import parse_env


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("A=1", {"A": "1"}),
        ("  A = 1  ", {"A": "1"}),
        ("export A=1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A=b=c", {"A": "b=c"}),
        ("A=two words", {"A": "two words"}),
        ("a.b-C_1=1", {"a.b-C_1": "1"}),
        ("", {}),
        ("   ", {}),
        ("# A=1", {}),
        ("  # A=1", {}),
        ("A=1 # one", {"A": "1"}),
        ("A=1# one", {"A": "1# one"}),
        ("A=#1", {"A": "#1"}),
        ("A= # nothing", {"A": ""}),
        ("A='x # y' # z", {"A": "x # y"}),
        ('A="x # y"', {"A": "x # y"}),
        ("A=''", {"A": ""}),
        ("A=it's", {"A": "it's"}),
        (r'A="a\nb\t\"\\\$c\d"', {"A": 'a\nb\t"\\$c\\d'}),
        (r"A='a\nb'", {"A": r"a\nb"}),
        (r"A=a\nb", {"A": r"a\nb"}),
        ("A=$HOME and ${HOME}", {"A": "$HOME and ${HOME}"}),
        ('A={"x": 1}', {"A": '{"x": 1}'}),
        ("A=1\r\nB=2\r", {"A": "1", "B": "2"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=a\u2028b", {"A": "a\u2028b"}),
    ],
)
def test_a_line_says_a_value(line: str, values: dict[str, str]) -> None:
    assert parse_env(line) == (values, ())


@pytest.mark.parametrize("line", ["A", "=1", "A B=1", "export", "export =1", "'A'=1", "A#=1"])
def test_a_line_without_a_name_is_wrong(line: str) -> None:
    assert parse_env(f"X=1\n{line}") == ({"X": "1"}, ((2, "should be NAME=value"),))


@pytest.mark.parametrize("line", ["A='", 'A="x', "A='x' y", 'A="x\\"', "A='x'#y"])
def test_a_quote_that_does_not_end_where_the_value_does_is_wrong(line: str) -> None:
    assert parse_env(line) == ({}, ((1, "should end with the quote that its value begins with"),))


@given(st.text())
def test_no_text_breaks_the_reader_and_none_of_it_is_in_a_message(text: str) -> None:
    values, wrong = parse_env(text)
    assert {message for _, message in wrong} <= {
        "should be NAME=value",
        "should end with the quote that its value begins with",
    }
    assert all(name and "=" not in name for name in values)


@given(st.text().filter(lambda text: not {"'", "\r", "\n"} & set(text)))
def test_whatever_stands_in_single_quotes_is_the_value(value: str) -> None:
    assert parse_env(f"A='{value}'") == ({"A": value}, ())

from __future__ import annotations

import re

import pytest

from kharness.plan.expect import Text, has, is_, lacks, shortened, with_texts


@pytest.mark.parametrize(
    ("text", "contained", "same"),
    [
        ("hello", True, False),
        ("say hello to", True, True),
        ("h.llo", False, False),
        (re.compile("h.llo"), True, True),
        (re.compile("^hello"), False, False),
    ],
)
def test_a_text_is_looked_for_as_it_is_and_a_pattern_anywhere(text: Text, *, contained: bool, same: bool) -> None:
    assert has("say hello to", text) is contained
    assert is_("say hello to", text) is same
    assert lacks("say hello to", ["say", text]) is not contained


def test_what_is_looked_for_is_told() -> None:
    assert with_texts(["a'b", re.compile("c.d")]) == """ with text "a'b" with text matching 'c.d'"""
    assert with_texts([]) == ""


def test_only_a_long_text_is_cut() -> None:
    assert shortened("x" * 400) == "x" * 400
    assert shortened("x" * 401) == "x" * 400 + "... (401 characters)"

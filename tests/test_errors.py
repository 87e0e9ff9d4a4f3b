"""A text from a container, or about it, moves nothing on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.errors import OBEYED, LaunchError, visible


@pytest.mark.parametrize(
    ("text", "shown", "styled"),
    [
        ("plain\n\ttext \u00e9", "plain\n\ttext \u00e9", None),
        ("\x1b[2Jgone", "\\x1b[2Jgone", None),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07", None),
        ("a\r\nb\rc", "a\nb\\rc", None),
        ("\x1b[1;31mred\x1b[0m\x1b[H", "red\\x1b[H", "\x1b[1;31mred\x1b[0m\\x1b[H"),
        ("\x9b2J \x7f \u202e", "\\x9b2J \\x7f \\u202e", None),
    ],
)
def test_controls_are_shown_and_not_obeyed(text: str, shown: str, styled: str | None) -> None:
    assert visible(text) == shown
    assert visible(text, style=True) == (styled or shown)


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not OBEYED.search(visible(text))


def test_an_errors_text_is_a_message_and_nothing_else() -> None:
    assert str(LaunchError("web: exited with 1\n    \x1b[2J\x1b[31mno\x1b[0m")) == "web: exited with 1\n    \\x1b[2Jno"

from __future__ import annotations

import pytest

from kharness.settings.compose.dotenv import DotenvError, read_dotenv, read_raw

OUTER = {"HOME": "/root", "A": "outer"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\n# c\n\nB = 2 # c\nC=a#b\n", {"A": "1", "B": "2", "C": "a#b"}),
        ("export A=1\nB: yes\n", {"A": "1", "B": "yes"}),
        ("HOME\nGONE\n", {"HOME": "/root"}),
        ("B='$A\\n'\nC=\"$A\\n\\$A\"\n", {"B": "$A\\n", "C": "outer\n$A"}),
        ('B="one\ntwo" # c\nC=3', {"B": "one\ntwo", "C": "3"}),
        ("B=1\nC=${B}${GONE:-x}", {"B": "1", "C": "1x"}),
        ("B='it\\'s'\r\nC=\r\n", {"B": "it's", "C": ""}),
        ("", {}),
    ],
)
def test_a_file_of_variables_is_read_in_composes_grammar(text: str, expected: dict[str, str]) -> None:
    assert read_dotenv(text.encode(), OUTER.get) == expected


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"A=1\nB C=2\n", 2), (b"A=1\nB='x\n", 2), (b"A=1\n\xff", 2), (b"A%=1\n", 1), (b"\n\nA=${", 3), (b"A=\0", 1)],
)
def test_a_bad_file_of_variables_is_told_by_its_line_and_shows_nothing(data: bytes, line: int) -> None:
    with pytest.raises(DotenvError) as caught:
        read_dotenv(data, OUTER.get)
    assert caught.value.line == line


def test_a_raw_file_has_all_after_the_equals_sign() -> None:
    assert read_raw(b"# c\nB='$A' # d\nHOME\n", OUTER.get) == {"B": "'$A' # d", "HOME": "/root"}
    with pytest.raises(DotenvError):
        read_raw(b"A B=1", OUTER.get)

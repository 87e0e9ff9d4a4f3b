from __future__ import annotations

import os

import pytest
from filewatch.names import printable


@pytest.mark.parametrize("name", ["", "plain.txt", "with space", "grüße-日本語.log"])
def test_a_readable_name_stays_as_it_is(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"caf\xe9", "caf\\xe9"),
        (b"two\nlines", "two\\x0alines"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        ("\u202egpj.exe".encode(), "\\u202egpj.exe"),
        ("\U000e0041".encode(), "\\U000e0041"),
    ],
)
def test_what_is_not_printable_is_shown_as_an_escape(name: bytes, shown: str) -> None:
    assert printable(os.fsdecode(name)) == shown

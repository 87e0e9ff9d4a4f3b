"""A container's output as lines, however it arrives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kharness.engine.containers import LONGEST, lines, since
from kharness.engine.frames import pieces
from kharness.plan.facts import LogLine
from tests.engine.test_frames import frame

AT = "2026-11-21T21:39:40.12345678"
FRAMED = frame(1, f"{AT}1Z one\n".encode()) + frame(2, f"{AT}2Z two \n".encode()) + frame(1, f"{AT}3Z \n".encode())
LINES = [
    LogLine(at=f"{AT}1Z", text="one"),
    LogLine(at=f"{AT}2Z", text="two ", error=True),
    LogLine(at=f"{AT}3Z", text=""),
]


def cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[place : place + size] for place in range(0, len(content), size))


@pytest.mark.parametrize("size", [1, 3, 8, 9, 50, 1000])
def test_lines_are_the_same_however_they_are_cut(size: int) -> None:
    assert list(lines(pieces(cut(FRAMED, size)))) == LINES


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_terminals_output_is_not_framed(size: int) -> None:
    content = f"{AT}1Z one\r\n{AT}2Z \x1b[1mtwo\r\n{AT}3Z $ ".encode()
    assert [line.text for line in lines(pieces(cut(content, size)))] == ["one", "\x1b[1mtwo", "$ "]


def test_a_line_without_an_end_is_given_in_parts() -> None:
    part = f"{AT}1Z ".encode() + b"a" * (LONGEST // 2)
    found = list(lines(pieces([frame(1, part) * 5])))
    assert [len(line.text) for line in found] == [LONGEST, LONGEST, LONGEST // 2]
    assert {line.at for line in found} == {f"{AT}1Z"}


def test_a_long_line_is_one_line_and_has_its_first_time() -> None:
    content = (
        frame(1, f"{AT}1Z aaa ".encode()) + frame(2, f"{AT}2Z err\n".encode()) + frame(1, f"{AT}3Z b b\n".encode())
    )
    assert list(lines(pieces([content]))) == [
        LogLine(at=f"{AT}2Z", text="err", error=True),
        LogLine(at=f"{AT}1Z", text="aaa b b"),
    ]


def test_what_has_no_end_is_a_line_and_nothing_is_none() -> None:
    assert [line.text for line in lines(pieces([frame(1, f"{AT}1Z hal".encode())]))] == ["hal"]
    assert list(lines(pieces([]))) == []
    assert list(lines(pieces([FRAMED[:-4]])))[:2] == LINES[:2]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("1970-01-01T00:01:00.000000001Z", "60.000000002"),
        ("1970-01-01T00:01:00.999999999Z", "61.000000000"),
        ("1970-01-01T01:01:00.5+01:00", "60.500000001"),
        ("1970-01-01T00:01:00Z", "60.000000001"),
    ],
)
def test_the_next_moment_is_a_nanosecond_later(at: str, expected: str) -> None:
    assert since(at) == expected

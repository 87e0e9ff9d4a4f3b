from __future__ import annotations

import struct

import pytest

from kharness.engine.frames import demultiplex, last, pieces


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


FRAMED = frame(1, b"one\n") + frame(2, b"two\n") + frame(1, b"\xff") + frame(1, b"")


def test_streams_are_taken_apart() -> None:
    assert demultiplex(FRAMED) == (b"one\n\xff", b"two\n")


def test_streams_are_joined_in_order_of_arrival() -> None:
    assert last(pieces([FRAMED]), 100) == b"one\ntwo\n\xff"


@pytest.mark.parametrize(
    ("most", "found"), [(9, b"one\ntwo\n\xff"), (8, b"two\n\xff"), (5, b"\xff"), (4, b"\xff"), (1, b"")]
)
def test_of_much_output_the_last_whole_lines_stay(most: int, found: bytes) -> None:
    assert last(pieces([FRAMED]), most) == found
    assert last(pieces([b"one\ntwo\n\xff"]), most) == found


@pytest.mark.parametrize(
    "content", [b"", b"text", b"a longer text", b"\x1b[31mred", b"\x01\x02\x03\x04\x05\x06\x07\x08"]
)
def test_what_is_not_framed_is_stdout(content: bytes) -> None:
    assert demultiplex(content) == (content, b"")
    assert last(pieces([content]), 100) == content

"""A container's output, of which the engine says the time of each line, as lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from kharness.engine import frames
from kharness.plan.facts import LogLine

NANO = 1_000_000_000
_FRACTION = re.compile(r"\.(\d+)")


def lines(pieces: Iterable[tuple[int, bytes]]) -> Iterator[LogLine]:
    """Return the lines of pieces, as `frames.pieces` gives them.

    A line of more than 16 KiB arrives in several frames, each with a time of its own, of which the first counts.
    """
    rest: dict[int, bytes] = {}
    for stream, piece in pieces:
        before = rest.get(stream, b"")
        more = piece.partition(b" ")[2] if before and stream != frames.RAW else piece
        *whole, rest[stream] = (before + more).split(b"\n")
        yield from (_line(stream, content) for content in whole)
    yield from (_line(stream, content) for stream, content in rest.items() if content)


def since(at: str) -> str:
    """Return the first moment after that time, as the engine takes it: seconds since the epoch and nanoseconds."""
    fraction = _FRACTION.search(at)
    nanoseconds = int(fraction[1].ljust(9, "0")[:9]) if fraction else 0
    seconds = int(datetime.fromisoformat(_FRACTION.sub("", at)).timestamp())
    whole, part = divmod(seconds * NANO + nanoseconds + 1, NANO)
    return f"{whole}.{part:09}"


def _line(stream: int, content: bytes) -> LogLine:
    at, _, text = content.decode("utf-8", "replace").partition(" ")
    return LogLine(at=at, text=text.removesuffix("\r"), error=stream == frames.STDERR)

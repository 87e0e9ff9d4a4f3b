"""The engine's multiplexed output: frames of eight header bytes (stream, 0, 0, 0, length) and a payload. Pure."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator

RAW = 0
STDOUT = 1
STDERR = 2

_HEADER = struct.Struct(">BxxxL")


def demultiplex(content: bytes) -> tuple[bytes, bytes]:
    """Return stdout and stderr. What is not framed, as of a container with a terminal, is all stdout."""
    frames = list(_frames(content))
    if not _is_framed(content, frames):
        return content, b""
    out = b"".join(payload for stream, payload in frames if stream != STDERR)
    err = b"".join(payload for stream, payload in frames if stream == STDERR)
    return out, err


def pieces(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Return the frames of a stream, each with its stream, as they arrive; what is not framed is chunks of `RAW`."""
    chunks, rest = iter(chunks), b""
    while len(rest) < _HEADER.size and (chunk := next(chunks, b"")):
        rest += chunk
    if not _is_framed(rest, list(_frames(rest))):
        yield from ((RAW, chunk) for chunk in (rest, *chunks) if chunk)
        return
    while rest:
        place = 0
        for stream, payload in _whole(rest):
            yield stream, payload
            place += _HEADER.size + len(payload)
        chunk = next(chunks, b"")
        rest = rest[place:] + chunk if chunk else b""


def last(parts: Iterable[tuple[int, bytes]], most: int) -> bytes:
    """Return the end of both streams in order of arrival, whole lines of it where it is more than `most` bytes."""
    kept: deque[bytes] = deque()
    size, cut = 0, False
    for _, payload in parts:
        kept.append(payload)
        size += len(payload)
        while size - len(kept[0]) >= most:
            size -= len(kept.popleft())
            cut = True
    content = b"".join(kept)
    if len(content) > most:
        content, cut = content[-most:], True
    return content.partition(b"\n")[2] if cut else content


def _whole(content: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    for stream, payload in _frames(content):
        place += _HEADER.size + int.from_bytes(content[place + 4 : place + 8])
        if place > len(content):
            return
        yield stream, payload


def _frames(content: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + _HEADER.size <= len(content):
        stream, length = _HEADER.unpack_from(content, place)
        place += _HEADER.size
        yield stream, content[place : place + length]
        place += length


def _is_framed(content: bytes, frames: list[tuple[int, bytes]]) -> bool:
    # The engine says whether output is framed only from API 1.42 on, and asking for the terminal costs an inspect.
    # Text does not begin with a control character and three zeros.
    return bool(frames) and content[0] <= STDERR and content[1:4] == b"\0\0\0"

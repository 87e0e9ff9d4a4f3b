"""The engine's multiplexed output: frames of eight header bytes (stream, 0, 0, 0, length) and a payload. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

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


def merged(content: bytes) -> bytes:
    """Return the output of both streams in order of arrival."""
    frames = list(_frames(content))
    return b"".join(payload for _, payload in frames) if _is_framed(content, frames) else content


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

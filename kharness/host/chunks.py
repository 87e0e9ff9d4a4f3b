"""A stream that comes in chunks, as a file."""

from __future__ import annotations

import io
from collections.abc import Iterator


class Chunks(io.RawIOBase):
    """Reads what the chunks have, one after the other; nothing is kept that was read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, or fewer at the end."""
        parts: list[memoryview] = []
        missing = size
        while missing:
            if not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._rest = memoryview(chunk)
            part = self._rest if missing < 0 else self._rest[:missing]
            # A part of a view costs nothing, where that of bytes would copy all the rest for each small read.
            self._rest = self._rest[len(part) :]
            parts.append(part)
            missing -= len(part) if missing > 0 else 0
        return b"".join(parts)

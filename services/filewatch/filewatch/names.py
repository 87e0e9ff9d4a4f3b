"""File names as text that is safe to show.

A name may hold any byte but the slash and NUL: bytes that are no UTF-8 (Python keeps them as lone surrogates), line
ends that would forge a log line, marks that turn the direction of writing.
"""

from __future__ import annotations


def printable(name: str) -> str:
    r"""Return a name in which all that is not printable stands as an escape: `\xff`, `\x0a`, `\u202e`."""
    if name.isprintable():
        return name
    return "".join(char if char.isprintable() else _escape(char) for char in name)


def _escape(char: str) -> str:
    code = ord(char)
    # 0xdc80 to 0xdcff is how os.fsdecode() keeps a byte that is no UTF-8.
    byte = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code  # noqa: PLR2004
    if byte <= 0xFF:  # noqa: PLR2004
        return f"\\x{byte:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004

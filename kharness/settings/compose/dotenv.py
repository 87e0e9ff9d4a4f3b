"""Files of variables in Compose's own grammar: `.env`, and the `env_file` of a service.

Values may be quoted, over several lines, and use variables unless they stand in single quotes; `KEY: value` is the same
as `KEY=value`, and `KEY` alone is taken from outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kharness.settings.compose.interpolate import Lookup, VariableError, put_in

SPACE = "\t\v\f\r \x85\xa0"
EXPORT = re.compile(rf"export[{SPACE}]+")
ESCAPE = re.compile(r'\\(?:[abcfnrtv$"\\]|0[0-7]{0,3})')
ESCAPES = {"a": "\a", "b": "\b", "c": "", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "$": "$$"}


class DotenvError(Exception):
    """A file of variables cannot be read; `line` counts from 1, and no value is shown."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message
        super().__init__(message)


def read_dotenv(data: bytes, lookup: Lookup, below: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a file; `lookup` has the outer ones, which win in values, `below` the last."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DotenvError(data.count(b"\n", 0, error.start) + 1, "should be UTF-8") from None
    if "\0" in text:
        raise DotenvError(text.count("\n", 0, text.index("\0")) + 1, "should be text, not a binary file")
    return _Reader(text, lookup, below or {}).read()


def read_raw(data: bytes, lookup: Lookup) -> dict[str, str]:
    """Return the variables of a file with `format: raw`: all after `=` is the value, as docker's own flag has it."""
    found: dict[str, str] = {}
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DotenvError(data.count(b"\n", 0, error.start) + 1, "should be UTF-8") from None
    for number, line in enumerate(lines, 1):
        text = line.lstrip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not key or re.search(r"\s", key):
            raise DotenvError(number, "should have KEY=value, with no space in the key")
        outer = value if equals else lookup(key)
        if outer is not None:
            found[key] = outer
    return found


class _Reader:
    def __init__(self, text: str, lookup: Lookup, below: Mapping[str, str]) -> None:
        self._text = text
        self._outer = lookup
        self._below = below
        self._at = 0
        self._found: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        while self._begin():
            key, alone = self._key()
            if alone:
                if (value := self._outer(key)) is not None:
                    self._found[key] = value
                continue
            self._found[key] = self._value()
        return self._found

    def _lookup(self, name: str) -> str | None:
        value = self._outer(name)
        return self._found.get(name, self._below.get(name)) if value is None else value

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _begin(self) -> bool:
        while self._at < len(self._text):
            if self._text[self._at].isspace():
                self._at += 1
            elif self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                return True
        return False

    def _key(self) -> tuple[str, bool]:
        if export := EXPORT.match(self._text, self._at):
            self._at = export.end()
        start = self._at
        for at in range(start, len(self._text)):
            char = self._text[at]
            if char in "=:\n":
                key = self._text[start:at].rstrip()
                if " " in key:
                    raise DotenvError(self._line(), "should have no space in the variable's name")
                self._at = at + 1
                while char != "\n" and self._at < len(self._text) and self._text[self._at] in SPACE:
                    self._at += 1
                return key, char == "\n"
            if not (char in SPACE or char in "_.-[]" or char.isalnum()):
                raise DotenvError(self._line(), "should be KEY=value, the key of letters, digits, '_', '.' and '-'")
        # A last line without '=' and without an end is a value without a name to Compose.
        return "", False

    def _value(self) -> str:
        quote = self._text[self._at : self._at + 1]
        if quote and quote in "'\"":
            return self._quoted(quote)
        line, end = self._line(), self._text.find("\n", self._at)
        end = len(self._text) if end < 0 else end
        value = self._text[self._at : end]
        self._at = end
        return self._put_in(value.partition(" #")[0].rstrip(), line)

    def _quoted(self, quote: str) -> str:
        line = self._line()
        end = re.compile(rf"(?:[^\\{quote}]|\\.)*+{quote}" if quote else "", re.DOTALL).match(self._text, self._at + 1)
        if end is None:
            raise DotenvError(line, "should have its quotes closed")
        self._at = end.end()
        value = end[0][:-1].replace(f"\\{quote}", quote)
        return self._put_in(ESCAPE.sub(_escape, value), line) if quote == '"' else value

    def _put_in(self, value: str, line: int) -> str:
        try:
            return put_in(value, self._lookup)
        except VariableError as error:
            raise DotenvError(line, str(error)) from None


def _escape(match: re.Match[str]) -> str:
    said = match[0][1:]
    return chr(int(said, 8) & 0xFF) if said[0] == "0" else ESCAPES.get(said, said)

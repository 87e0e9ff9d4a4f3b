"""What a rule is for: an exact path, a glob, or the newest file of a directory."""

from __future__ import annotations

import fnmatch
import os
import posixpath
from dataclasses import dataclass
from enum import Enum

NEWEST = "{NEWEST}"
ANY_DEPTH = "**"


class Kind(Enum):
    """How a pattern names its files."""

    EXACT = "exact"
    GLOB = "glob"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern as its user wrote it; `parts` are the names between its slashes, without a `{NEWEST}` at the end."""

    text: str
    kind: Kind
    parts: tuple[str, ...]

    def matches(self, path: str) -> bool:
        """Whether an absolute path is one that this pattern names (for `{NEWEST}`: one of its directories)."""
        return _match(self.parts, tuple(path.split("/")[1:]))


def parse_pattern(text: str) -> Pattern:
    """Read a pattern; ValueError says what it should be."""
    if "\0" in text or not text.startswith("/") or text == "/":
        raise ValueError("should be an absolute path below /")
    # Two slashes at the front may mean something else (POSIX), which normpath() keeps in mind; here they never do.
    plain = posixpath.normpath("/" + text.lstrip("/"))
    if plain != text:
        raise ValueError(f"should be written without needless parts, as {plain!r}")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ValueError("should be a name that this locale can write: run with a UTF-8 one") from error
    parts = tuple(text.split("/")[1:])
    if any(NEWEST in part for part in parts[:-1]) or (NEWEST in parts[-1] and parts[-1] != NEWEST):
        raise ValueError(f"should have {NEWEST} as its last part, whole and once")
    newest = parts[-1] == NEWEST
    parts = parts[:-1] if newest else parts
    if any(ANY_DEPTH in part and part != ANY_DEPTH for part in parts) or parts.count(ANY_DEPTH) > 1:
        raise ValueError(f"should have at most one {ANY_DEPTH}, alone between two slashes")
    if parts and parts[-1] == ANY_DEPTH:
        raise ValueError(f"should end in the name of files, as '{ANY_DEPTH}/*', not in {ANY_DEPTH}")
    if newest:
        return Pattern(text, Kind.NEWEST, parts)
    return Pattern(text, Kind.GLOB if any(map(has_magic, parts)) else Kind.EXACT, parts)


def has_magic(part: str) -> bool:
    """Whether one part of a path stands for several names."""
    return any(char in part for char in "*?[")


def part_matches(part: str, name: str) -> bool:
    """Whether a name fits; as in a shell, a leading dot must be written out."""
    if not has_magic(part):
        return part == name
    return (part.startswith(".") or not is_hidden(name)) and fnmatch.fnmatchcase(name, part)


def is_hidden(name: str) -> bool:
    """Whether globs and `{NEWEST}` pass over a name unless told otherwise: half-written files are often called so."""
    return name.startswith(".")


def _match(parts: tuple[str, ...], names: tuple[str, ...]) -> bool:
    if not parts or not names:
        return parts == names
    if parts[0] != ANY_DEPTH:
        return part_matches(parts[0], names[0]) and _match(parts[1:], names[1:])
    return _match(parts[1:], names) or (not is_hidden(names[0]) and _match(parts, names[1:]))

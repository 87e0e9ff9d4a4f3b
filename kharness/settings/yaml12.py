"""What is wrong with a YAML file, in the words of its author's mistake instead of the parser's state.

No message shows a piece of the file: it may be a password.

The scalars of YAML 1.2's core schema: `no` and `53:53` are text, `0o17` is octal, `017` is seventeen.

YAML by the core schema of YAML 1.2, with the line of every key.

Anchors and the merge key `<<` work as in Compose. The file is read as libyaml's events, where libyaml is there, so that
neither deep nesting nor aliases of aliases can exhaust anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from kharness.settings.section import Loc

TAB = "should be indented with spaces, not with a tab"
INDENT = "should be indented like its neighbours, as 'key: value' or '- item'"
TOO_DEEP = "should not be nested so deeply, or expand to so much"
ROWS = (
    # The parser's own limit, which newer ones reach before ours is asked.
    ("nesting depth", "", TOO_DEEP, False),
    ("cannot start any token", "", "should be quoted; text cannot begin with @, ` or %", False),
    (
        "mapping values are not allowed",
        "",
        "should be indented like its neighbours, or quoted if it is text that contains ': '",
        False,
    ),
    ("end of stream", "quoted", "should have its quotes closed", True),
    ("", "quoted", "should not have such an escape in double quotes", True),
    ("", "flow", "should have its bracket or brace closed", True),
    ("", "block scalar", "should have nothing but + or - after | or >", True),
    ("", "block", INDENT, False),
    ("", "simple key", INDENT, True),
)
"""A piece of the parser's problem, one of its context, what to say, and whether at the place where that began.

libyaml and PyYAML's own parser word their problems almost alike; the pieces are what they share.
"""


class YamlError(Exception):
    """The file is no YAML that kharness reads; `line` counts from 1, 0 where it is unknown."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message
        super().__init__(message)


def in_our_words(error: yaml.MarkedYAMLError, lines: list[str]) -> YamlError:
    """Translate a parser's error; `lines` are the file's."""
    mark, began = error.problem_mark, error.context_mark
    line = mark.line + 1 if mark else 0
    if mark and mark.line < len(lines) and "\t" in _before(lines[mark.line], mark.column):
        return YamlError(line, TAB)
    for problem, context, message, at_begin in ROWS:
        if problem in (error.problem or "") and context in (error.context or ""):
            return YamlError(began.line + 1 if at_begin and began else line, message)
    return YamlError(line, "is not valid YAML")


def _before(line: str, column: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return indent if column <= len(indent) else ""


NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What may not stand in a YAML file, nor come out of an escape."""
INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
NOT_FINITE = re.compile(r"([-+]?)\.(?:(inf|Inf|INF)|(?:nan|NaN|NAN))", re.ASCII)
CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
LONGEST_SCALAR = 100
CORE = "tag:yaml.org,2002:"
KINDS = {CORE + "null": type(None), CORE + "bool": bool, CORE + "int": int, CORE + "float": float}


class Int(int):
    """A whole number that knows how it is written."""

    written: str


class Float(float):
    """A number that knows how it is written."""

    written: str


def read_scalar(event: ScalarEvent, *, line: int) -> Any:
    """Return a scalar's value; raises `YamlError` for control characters and for tags that are not YAML's own."""
    text: str = event.value
    if NOT_TEXT.search(text):
        raise YamlError(line, "should not contain control characters")
    if event.tag is None:
        return text if event.style else plain(text)
    if event.tag in {"!", CORE + "str"}:
        return text
    value = plain(text)
    if event.tag not in KINDS or not isinstance(value, KINDS[event.tag]):
        raise YamlError(line, "should not have a tag of its own")
    return value


def plain(text: str) -> Any:
    """Return what unquoted text means."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    if len(text) > LONGEST_SCALAR:
        return text
    if INT.fullmatch(text):
        whole = Int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        whole.written = text
        return whole
    if (special := NOT_FINITE.fullmatch(text)) or FLOAT.fullmatch(text):
        number = Float(f"{special[1]}inf" if special and special[2] else "nan" if special else text)
        number.written = text
        return number
    return text


LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 40
LARGEST = 1 << 20
MOST_NODES = 100_000


@dataclass(frozen=True, slots=True)
class Document:
    """A file's value, the line of each key and item, and each key that is said twice with the line before.

    `tags` are the places of `!reset` and `!override`, where they were asked for.
    """

    value: Any
    lines: dict[Loc, int] = field(default_factory=dict)
    duplicates: tuple[tuple[Loc, int], ...] = ()
    tags: dict[Loc, str] = field(default_factory=dict)

    def line(self, loc: Loc) -> int:
        """Return the line of a place, or of the nearest one around it."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc, 0)


def read_yaml(data: bytes, *, tags: frozenset[str] = frozenset()) -> Document:
    """Read one document, in which values may have these tags; raises `YamlError`. An empty file is None."""
    text = _decode(data)
    try:
        return _Builder(yaml.parse(text, LOADER), tags).document()
    except yaml.MarkedYAMLError as error:
        raise in_our_words(error, text.splitlines()) from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise YamlError(0, "is not valid YAML") from None


@dataclass(frozen=True, slots=True)
class _Node:
    """A value with the number of values in it and its height."""

    value: Any
    size: int = 1
    height: int = 1


class _Builder:
    def __init__(self, events: Iterator[Any], tags: frozenset[str]) -> None:
        self._events = events
        self._known = tags
        self._tags: dict[Loc, str] = {}
        self._anchors: dict[str, _Node] = {}
        self._lines: dict[Loc, int] = {}
        self._duplicates: list[tuple[Loc, int]] = []
        self._size = 0

    def document(self) -> Document:
        next(self._events)
        if isinstance(next(self._events), StreamEndEvent):
            return Document(None)
        node = self._node(next(self._events), (), 1)
        next(self._events)
        after = next(self._events)
        if isinstance(after, DocumentStartEvent):
            raise YamlError(_line(after), "should be one document, and a second one begins here")
        return Document(node.value, self._lines, tuple(self._duplicates), self._tags)

    def _node(self, event: Any, loc: Loc, depth: int) -> _Node:
        self._lines.setdefault(loc, _line(event))
        if self._known and getattr(event, "tag", None) in self._known:
            self._tags[loc], event.tag = event.tag, None
        if isinstance(event, AliasEvent):
            node = self._alias(event)
        elif isinstance(event, ScalarEvent):
            node = _Node(read_scalar(event, line=_line(event)))
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(event, loc, depth)
        else:
            node = self._mapping(event, loc, depth)
        self._size += node.size if isinstance(event, AliasEvent) else 1
        if depth + node.height > DEEPEST or self._size > MOST_NODES:
            raise YamlError(_line(event), TOO_DEEP)
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = node
        return node

    def _alias(self, event: AliasEvent) -> _Node:
        # The name is not shown: unquoted text that begins with an asterisk may be a password.
        if event.anchor not in self._anchors:
            raise YamlError(
                _line(event), "should be quoted if it is text; '*' begins an alias, and no such anchor is set"
            )
        return self._anchors[event.anchor]

    def _sequence(self, start: SequenceStartEvent, loc: Loc, depth: int) -> _Node:
        _check_tag(start, "seq")
        nodes: list[_Node] = []
        self._refuse_depth(start, depth)
        while not isinstance(event := next(self._events), SequenceEndEvent):
            nodes.append(self._node(event, (*loc, len(nodes)), depth + 1))
        return _parent([node.value for node in nodes], nodes)

    def _mapping(self, start: MappingStartEvent, loc: Loc, depth: int) -> _Node:
        _check_tag(start, "map")
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        nodes: list[_Node] = []
        self._refuse_depth(start, depth)
        while not isinstance(event := next(self._events), MappingEndEvent):
            if isinstance(event, ScalarEvent) and event.value == "<<" and not event.style:
                nodes.append(self._node(next(self._events), (*loc, "<<"), depth + 1))
                merged = {**_merge(nodes[-1].value, event), **merged}
                continue
            key = self._key(event)
            here = (*loc, key)
            if key in found:
                self._duplicates.append((here, self._lines[here]))
            self._lines[here] = _line(event)
            nodes.append(self._node(next(self._events), here, depth + 1))
            found[key] = nodes[-1].value
        return _parent({**merged, **found}, nodes)

    def _key(self, event: Any) -> str:
        if isinstance(event, AliasEvent):
            value = self._alias(event).value
            text = str(getattr(value, "written", value)) if isinstance(value, str | int | float) else ""
        else:
            text = event.value if isinstance(event, ScalarEvent) else ""
            if anchor := getattr(event, "anchor", None):
                self._anchors[anchor] = _Node(text)
        if not text or NOT_TEXT.search(text):
            raise YamlError(_line(event), "should have text as a key")
        return text

    def _refuse_depth(self, event: Any, depth: int) -> None:
        if depth >= DEEPEST:
            raise YamlError(_line(event), TOO_DEEP)


def _parent(value: Any, nodes: list[_Node]) -> _Node:
    return _Node(value, 1 + sum(node.size for node in nodes), 1 + max((node.height for node in nodes), default=0))


def _merge(value: Any, event: Any) -> dict[str, Any]:
    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        raise YamlError(_line(event), "should merge a mapping, or a list of mappings")
    return {key: said for source in reversed(sources) for key, said in source.items()}


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _check_tag(event: Any, name: str) -> None:
    if event.tag not in {None, "!", CORE + name}:
        raise YamlError(_line(event), "should not have a tag of its own")


def _decode(data: bytes) -> str:
    if len(data) > LARGEST:
        raise YamlError(0, "should not be larger than 1 MiB")
    if b"\0" in data:
        raise YamlError(0, "should be text, not a binary file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(data.count(b"\n", 0, error.start) + 1, "should be UTF-8") from None
    if match := NOT_TEXT.search(text):
        raise YamlError(text.count("\n", 0, match.start()) + 1, "should not contain control characters")
    return text

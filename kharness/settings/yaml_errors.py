"""What is wrong with a YAML file, in the words of its author's mistake instead of the parser's state.

No message shows a piece of the file: it may be a password.
"""

from __future__ import annotations

import yaml

TAB = "should be indented with spaces, not with a tab"
INDENT = "should be indented like its neighbours, as 'key: value' or '- item'"
ROWS = (
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

"""The text of an `env_file`: `NAME=value` lines, as Compose reads them, but nothing is put in for `$NAME`."""

from __future__ import annotations

import re

NAME = re.compile(r"[^\s=#'\"]+")
QUOTED = re.compile(r"""(?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>[^']*)')(?:\s+#.*|\s*)""")
COMMENT = re.compile(r"\s+#.*")
ESCAPED = re.compile(r"\\(.)")
MEANING = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$"}

Wrong = tuple[int, str]
"""A line's number and what it should be."""


def parse_env(text: str) -> tuple[dict[str, str], tuple[Wrong, ...]]:
    """Return the values, later lines winning, and what is wrong; no value is in the messages.

    Empty lines and those that begin with `#` count for nothing, `export` before a name neither. A value in quotes is
    taken as it is, with the usual backslashes between double ones; without quotes it ends before a `#` that follows a
    space.
    """
    values: dict[str, str] = {}
    wrong: list[Wrong] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        said = line.strip().removeprefix("export ").strip()
        if not said or said.startswith("#"):
            continue
        name, equals, rest = said.partition("=")
        if not equals or not NAME.fullmatch(name.rstrip()):
            wrong.append((number, "should be NAME=value"))
        elif (value := _value(rest)) is None:
            wrong.append((number, "should end with the quote that its value begins with"))
        else:
            values[name.rstrip()] = value
    return values, tuple(wrong)


def _value(said: str) -> str | None:
    if said.strip()[:1] not in {'"', "'"}:
        return COMMENT.sub("", said).strip()
    match = QUOTED.fullmatch(said.strip())
    if match is None:
        return None
    if match["single"] is not None:
        return match["single"]
    return ESCAPED.sub(lambda found: MEANING.get(found[1], found[0]), match["double"])

"""Readers of a Compose file's lists, mappings and command lines, of which many keys have the same form."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from kharness.settings.compose.scalars import Faults, Reader, fault, text, text_or_number, written_text
from kharness.settings.foreign import nearest_key
from kharness.settings.section import Loc


def each(read: Reader) -> Reader:
    """Return a reader of a list whose items are read so."""

    def read_list(value: Any, loc: Loc, faults: Faults) -> Any:
        if not isinstance(value, list):
            fault(faults, loc, "a list", value)
            return []
        return [read(item, (*loc, index), faults) for index, item in enumerate(value)]

    return read_list


def texts(value: Any, loc: Loc, faults: Faults) -> list[str]:
    """Read a list of texts."""
    return [str(item) for item in each(text)(value, loc, faults)]


def text_or_texts(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a list of texts, or one alone."""
    return [value] if isinstance(value, str) else texts(value, loc, faults)


exposed = each(text_or_number)
"""Reads a list of texts and numbers, as text."""


def named(*, null: Any = "") -> Reader:
    """Return a reader of a mapping of names to texts, or a list of NAME=VALUE; a name alone is `null`."""

    def read(value: Any, loc: Loc, faults: Faults) -> Any:
        if isinstance(value, list):
            found = {}
            for index, item in enumerate(value):
                if not isinstance(item, str):
                    fault(faults, (*loc, index), "NAME=VALUE", item)
                    continue
                name, equals, said = item.partition("=")
                found[name] = said if equals else null
            return found
        if not isinstance(value, dict):
            fault(faults, loc, "a mapping, or a list of NAME=VALUE", value)
            return {}
        return {str(name): _scalar(said, (*loc, name), faults, null) for name, said in value.items()}

    return read


def _scalar(value: Any, loc: Loc, faults: Faults, null: Any) -> Any:
    if value is None:
        return null
    if isinstance(value, dict | list):
        # A password may be among what is there.
        faults.append((loc, "should be text, a number, true or false"))
        return null
    return written_text(value)


def command(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a command: text is split into words as by a shell, and no operator is one."""
    if value is None:
        return None
    if isinstance(value, list):
        return each(text)(value, loc, faults)
    if not isinstance(value, str):
        fault(faults, loc, "a command line, or a list of its words", value)
        return None
    try:
        return words(value)
    except ValueError:
        faults.append((loc, "should be a command line whose quotes are closed"))
        return None


def words(line: str) -> list[str]:
    r"""Return the words of a command line; a backslash in double quotes stays unless it protects `"` or `\\`.

    Raises ValueError where a quote is not closed.
    """
    return shlex.split(line)


def health_test(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a health check's test: text is for a shell."""
    if isinstance(value, str):
        return ["CMD-SHELL", value]
    found = texts(value, loc, faults)
    if found and found[0] not in {"NONE", "CMD", "CMD-SHELL"}:
        faults.append((loc, "should begin with CMD, CMD-SHELL or NONE"))
    return found


def section(keys: Mapping[str, Reader], *, null: bool = False) -> Reader:
    """Return a reader of a mapping with these keys; with `null` an empty one may be left out."""

    def read(value: Any, loc: Loc, faults: Faults) -> Any:
        if value is None and null:
            return None
        if not isinstance(value, dict):
            fault(faults, loc, "a mapping", value)
            return {}
        return fields(value, keys, loc, faults)

    return read


def fields(value: Mapping[str, Any], keys: Mapping[str, Reader], loc: Loc, faults: Faults) -> dict[str, Any]:
    """Read the keys of a mapping; one that is unknown is a fault, with the key that is probably meant."""
    found: dict[str, Any] = {}
    for key, said in value.items():
        here = (*loc, key)
        if key.startswith("x-"):
            found[key] = said
        elif key not in keys:
            faults.append((here, nearest_key(key, keys)))
        elif said is None and keys[key] not in NULLABLE:
            continue
        else:
            found[key] = keys[key](said, here, faults)
    return found


def shaped(pattern: str, what: str) -> Reader:
    """Return a reader of text of a shape."""

    def read(value: Any, loc: Loc, faults: Faults) -> Any:
        if isinstance(value, str) and not re.fullmatch(pattern, value, re.ASCII):
            fault(faults, loc, what, value)
        return text(value, loc, faults)

    return read


def anything(value: Any, _loc: Loc, _faults: Faults) -> Any:
    """Take a value as it is."""
    return value


NULLABLE: frozenset[Callable[..., Any]] = frozenset({command})
"""Readers of keys whose null is said on purpose."""

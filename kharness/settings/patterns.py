"""Regular expressions in settings, checked when they are read."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter

from kharness.settings.problems import shown
from kharness.settings.scalars import read_text
from kharness.settings.section import wrong


def _pattern(value: Any) -> re.Pattern[str]:
    if isinstance(value, re.Pattern):
        return value
    if not (text := read_text(value)):
        raise wrong("should not be empty")
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise wrong(f"should be a regular expression, not {shown(text)}: {error}") from None


def _lines(value: Any) -> re.Pattern[str]:
    found = _pattern(value)
    # In a text of many lines ^ and $ are those of a line, as people mean them.
    return re.compile(found.pattern, found.flags | re.MULTILINE)


def _some(value: Any) -> Any:
    return PATTERNS.validate_python(value) if isinstance(value, list | tuple) else (_lines(value),)


_TEXT = str | int | float
LinesPattern = Annotated[re.Pattern[str], BeforeValidator(_lines)]
PATTERNS: TypeAdapter[tuple[re.Pattern[str], ...]] = TypeAdapter(tuple[LinesPattern, ...])

Pattern = Annotated[re.Pattern[str], BeforeValidator(_pattern, json_schema_input_type=_TEXT)]
"""One, for a single line."""
Patterns = Annotated[tuple[re.Pattern[str], ...], BeforeValidator(_some, json_schema_input_type=_TEXT | list[_TEXT])]
"""One or several, for a text of many lines."""

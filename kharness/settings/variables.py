"""Variables in values: Compose would replace them, kharness says that it does not, and reads `$$` as a dollar sign."""

from __future__ import annotations

import re
from typing import Any

from kharness.settings.problems import SECRET, Told, shown
from kharness.settings.section import Loc

# As in Compose, a dollar sign before anything else, `$(` for example, is just a dollar sign.
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|(?P<variable>[A-Za-z_][A-Za-z0-9_]*|\{[^}]*\}?))")


def without_variables(value: Any) -> tuple[Any, list[Told]]:
    """Return the value with `$$` read as `$`, and a problem for each text that uses a variable."""
    problems: list[Told] = []
    return _read(value, (), problems), problems


def _read(value: Any, loc: Loc, problems: list[Told]) -> Any:
    match value:
        case dict():
            return {key: _read(item, (*loc, key), problems) for key, item in value.items()}
        case list():
            return [_read(item, (*loc, index), problems) for index, item in enumerate(value)]
        case str():
            return _text(value, loc, problems)
    return value


def _text(text: str, loc: Loc, problems: list[Told]) -> str:
    found = next((match for match in VARIABLE.finditer(text) if match["variable"]), None)
    if found is not None:
        # What follows the dollar sign may be the second half of a password.
        name = f", not {shown(found[0])}" if SECRET.isdisjoint(loc) else ""
        message = f"should be without variables{name}; write the value, or $$ for a dollar sign"
        problems.append(Told(loc=loc, message=message))
    return VARIABLE.sub(lambda match: "$" if match["escaped"] else match[0], text)

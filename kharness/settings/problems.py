"""What is wrong in a file, in our own words: pydantic's errors become "should be X, not Y".

So does a variable in a value: Compose would replace it, kharness reports it, and reads `$$` as a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kharness.settings.section import Loc
from kharness.settings.values import short, shown

SECRET = frozenset({"environment", "args", "contents"})
"""Keys whose values are never shown: people keep passwords there."""
TYPES: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "frozen_set_type": "a list",
    "invalid_key": "a mapping whose keys are text",
    "int_type": "a whole number",
    "is_instance_of": "a mapping",
    "list_type": "a list",
    "mapping_type": "a mapping",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "set_type": "a list",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What pydantic's type errors ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProblem:
    """One thing that is wrong, and where."""

    loc: tuple[int | str, ...]
    message: str

    @property
    def key(self) -> str:
        """The place as `key.path[1].name`."""
        return dotted(self.loc)


def key_problems(error: ValidationError) -> list[KeyProblem]:
    """Return every problem in pydantic's error, once each."""
    found = [_key_problem(item) for item in error.errors(include_url=False)]
    return list({(item.loc, item.message): item for item in found}.values())


def dotted(loc: tuple[int | str, ...]) -> str:
    """Write a place: `ports[1].target`; of a very long key its beginning."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{short(part)}" for part in loc)
    return "".join(parts).removeprefix(".")


def _key_problem(item: Any) -> KeyProblem:
    loc = tuple(part for part in item["loc"] if part != "[key]")
    value, context = item["input"], item.get("ctx", {})
    match item["type"]:
        case "wrong":
            return KeyProblem(loc=loc, message=item["msg"])
        case "missing":
            return KeyProblem(loc=loc, message="is required")
        case "expected":
            what = context["what"]
        case "literal_error" | "enum":
            what = f"one of {_choices(context['expected'])}"
        case "greater_than_equal":
            what = f"at least {context['ge']}"
        case "less_than_equal":
            what = f"at most {context['le']}"
        case "string_pattern_mismatch":
            what = f"text like {context['pattern']}"
        case kind:
            what = TYPES.get(kind, "something else")
    secret = not SECRET.isdisjoint(loc) and not isinstance(value, Mapping | list | tuple)
    return KeyProblem(loc=loc, message=f"should be {what}" if secret else f"should be {what}, not {shown(value)}")


def _choices(expected: str) -> str:
    return expected.replace("'", "").replace(" or ", ", ")


# As in Compose, a dollar sign before anything else, `$(` for example, is just a dollar sign.
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|(?P<variable>[A-Za-z_][A-Za-z0-9_]*|\{[^}]*\}?))")


def without_variables(value: Any) -> tuple[Any, list[KeyProblem]]:
    """Return the value with `$$` read as `$`, and a problem for each text that uses a variable."""
    problems: list[KeyProblem] = []
    return _read(value, (), problems), problems


def _read(value: Any, loc: Loc, problems: list[KeyProblem]) -> Any:
    match value:
        case dict():
            return {key: _read(item, (*loc, key), problems) for key, item in value.items()}
        case list():
            return [_read(item, (*loc, index), problems) for index, item in enumerate(value)]
        case str():
            return _text(value, loc, problems)
    return value


def _text(text: str, loc: Loc, problems: list[KeyProblem]) -> str:
    found = next((match for match in VARIABLE.finditer(text) if match["variable"]), None)
    if found is not None:
        # What follows the dollar sign may be the second half of a password.
        name = f", not {shown(found[0])}" if SECRET.isdisjoint(loc) else ""
        message = f"should be without variables{name}; write the value, or $$ for a dollar sign"
        problems.append(KeyProblem(loc=loc, message=message))
    return VARIABLE.sub(lambda match: "$" if match["escaped"] else match[0], text)

"""What is wrong in a file, in our own words: pydantic's errors become "should be X, not Y"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kharness.settings.scalars import written

LONGEST = 40
"""How much of a value is shown."""
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
class Told:
    """One thing that is wrong, and where."""

    loc: tuple[int | str, ...]
    message: str

    @property
    def key(self) -> str:
        """The place as `key.path[1].name`."""
        return dotted(self.loc)


def told(error: ValidationError) -> list[Told]:
    """Return every problem in pydantic's error, once each."""
    found = [_told(item) for item in error.errors(include_url=False)]
    return list({(item.loc, item.message): item for item in found}.values())


def dotted(loc: tuple[int | str, ...]) -> str:
    """Write a place: `ports[1].target`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def shown(value: Any) -> str:
    """Show a value, shortened; lists and mappings by kind only."""
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int() | float():
            return _short(written(value))
        case str():
            return f"'{_short(value)}'"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
    return f"a {type(value).__name__}"


def _short(text: str) -> str:
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _told(item: Any) -> Told:
    loc = tuple(part for part in item["loc"] if part != "[key]")
    value, context = item["input"], item.get("ctx", {})
    match item["type"]:
        case "wrong":
            return Told(loc=loc, message=item["msg"])
        case "missing":
            return Told(loc=loc, message="is required")
        case "expected":
            what = context["what"]
        case "literal_error" | "enum":
            what = f"one of {_choices(context['expected'])}"
        case "greater_than_equal":
            what = f"at least {context['ge']}"
        case "string_pattern_mismatch":
            what = f"text like {context['pattern']}"
        case kind:
            what = TYPES.get(kind, "something else")
    secret = not SECRET.isdisjoint(loc) and not isinstance(value, Mapping | list | tuple)
    return Told(loc=loc, message=f"should be {what}" if secret else f"should be {what}, not {shown(value)}")


def _choices(expected: str) -> str:
    return expected.replace("'", "").replace(" or ", ", ")

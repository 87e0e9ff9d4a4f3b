"""The forms for several values: one text or a list, a list of `NAME=VALUE` or a mapping."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import InitErrorDetails, PydanticCustomError

from kharness.settings.scalars import Filled, Text, is_number, read_text, written
from kharness.settings.section import expected, problem, together, wrong

VARIABLE = re.compile(r"[^=\0\s]+")
Scalar = str | int | float | bool | None


def one_or_many(value: Any) -> Any:
    """Let one text stand for a list of it."""
    return [value] if isinstance(value, str) else value


def _argv(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError:
        raise wrong("should be a command line whose quotes are closed") from None


def named(value: Any, *, read: Callable[[str, Any], str], separators: str = "=") -> dict[str, str]:
    """Read a mapping, or a list of `NAME=VALUE`; `read` gets name and value, the value None where it was not said.

    Raises all problems together, each at its item.
    """
    items: list[tuple[tuple[int | str], Any, Any]]
    if isinstance(value, Mapping):
        # The name up to its '=': what follows in a mistyped one may be a password.
        items = [((str(key).partition("=")[0],), key, said) for key, said in value.items()]
    elif isinstance(value, list | tuple):
        items = [((index,), *_split(item, separators)) for index, item in enumerate(value)]
    else:
        raise expected("a mapping, or a list of NAME=VALUE")
    found: dict[str, str] = {}
    errors: list[InitErrorDetails] = []
    for loc, name, said in items:
        try:
            if not isinstance(name, str):
                raise expected("NAME=VALUE")
            if not VARIABLE.fullmatch(name):
                raise wrong("should have a name without spaces before the '='")
            found[name] = read(name, said)
        except PydanticCustomError as error:
            errors.append(problem(error, loc=loc, value=said))
    if errors:
        raise together(errors)
    return found


def _split(item: Any, separators: str) -> tuple[Any, Any]:
    if not isinstance(item, str):
        return None, item
    at = next((index for index, character in enumerate(item) if character in separators), None)
    return (item, None) if at is None else (item[:at], item[at + 1 :])


def _variable(_: str, said: Any) -> str:
    if said is None:
        raise wrong('should have a value; kharness passes nothing on from its own environment (write "" for no text)')
    if isinstance(said, bool):
        raise wrong('should be text or a number, not true or false; quote it, as in "true"')
    return read_text(said)


def _label(_: str, said: Any) -> str:
    if said is None:
        return ""
    if isinstance(said, bool):
        return str(said).lower()
    return read_text(said)


def _parameter(_: str, said: Any) -> str:
    if isinstance(said, str) or is_number(said):
        return written(said)
    raise expected("text or a number")


def _environment(value: Any) -> dict[str, str]:
    return named(value, read=_variable)


def _labels(value: Any) -> dict[str, str]:
    return named(value, read=_label)


def _parameters(value: Any) -> dict[str, str]:
    return named(value, read=_parameter)


_NAMED = dict[str, Scalar] | list[str]
Argv = Annotated[tuple[Text, ...], BeforeValidator(_argv, json_schema_input_type=str | list[str | int | float])]
Texts = tuple[Filled, ...]
OneOrMany = Annotated[tuple[Filled, ...], BeforeValidator(one_or_many, json_schema_input_type=str | list[str])]
Environment = Annotated[Mapping[str, str], BeforeValidator(_environment, json_schema_input_type=_NAMED)]
Labels = Annotated[Mapping[str, str], BeforeValidator(_labels, json_schema_input_type=_NAMED)]
Parameters = Annotated[Mapping[str, str], BeforeValidator(_parameters, json_schema_input_type=_NAMED)]

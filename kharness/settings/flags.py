"""Settings said in words: as flags of a command, or as variables of the environment.

A value is what it would be in `settings.yaml` without quotes around it. What begins with [ or { is read as YAML, and
what is not YAML after all is text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from kharness.errors import Problem, SettingsError, UsageError
from kharness.settings.layers import ASSIGNED, COMMAND_LINE, SettingsLayer
from kharness.settings.model import Settings
from kharness.settings.section import Section
from kharness.settings.service import ServiceKeys
from kharness.settings.sources import ENVIRONMENT
from kharness.settings.values import Argv
from kharness.settings.yaml12 import NOT_TEXT, YamlError, plain, read_yaml

PREFIX = "KHARNESS_RUN_"
"""What the names of variables begin with; for other commands they mean nothing."""
NULL = ("null",)
ALWAYS_NAMED = frozenset({"build"})
"""Sections with a short form, of which words say the keys all the same."""
ONLY_PRODUCTION = frozenset({"image", "build", "platform", "pull_policy"})


class Form(StrEnum):
    """How a key is said in words."""

    VALUE = "value"
    FLAG = "flag"
    LIST = "list"
    NAMED = "named"


def form_of(key: str) -> Form:
    """Return the form of a key of the settings."""
    kind = _unwrapped(Settings.model_fields[key].annotation)
    origin = get_origin(kind) or kind
    if kind is bool:
        return Form.FLAG
    if origin is tuple and kind != _unwrapped(Argv):
        return Form.LIST
    if not isinstance(origin, type):
        return Form.VALUE
    if key in ALWAYS_NAMED or issubclass(origin, Mapping) or (issubclass(origin, Section) and not origin.short_schema):
        return Form.NAMED
    return Form.VALUE


def flag_name(key: str, *, negated: bool = False) -> str:
    """Return the flag of a key: `--mem-limit`, or `--no-read-only`."""
    return f"--{'no-' if negated else ''}{key.replace('_', '-')}"


def variable_name(key: str) -> str:
    """Return the variable of a key: `KHARNESS_RUN_MEM_LIMIT`."""
    return f"{PREFIX}{key.upper()}"


def from_flags(said: Mapping[str, tuple[str, ...] | bool], *, in_test: bool = False) -> SettingsLayer:
    """Return what flags say, the words of each by its key. Raises `SettingsError` for what is no text.

    With `in_test` they hold in a test instance, over `test:`.
    """
    names = {key: flag_name(key, negated=words is False) for key, words in said.items()}
    wrong = [
        Problem(COMMAND_LINE, names[key], NO_TEXT)
        for key, words in said.items()
        if not isinstance(words, bool) and not _is_text(words)
    ]
    if wrong:
        raise SettingsError(wrong)
    found = {key: words if isinstance(words, bool) else read_words(key, words) for key, words in said.items()}
    return SettingsLayer(said=_for_tests(found) if in_test else found, file=COMMAND_LINE, names=names, unsets=True)


def from_environment(environ: Mapping[str, str], *, in_test: bool = False) -> SettingsLayer:
    """Return what variables say; an empty one says nothing. Raises `UsageError` for one that there is not."""
    keys = {variable_name(key): key for key in Settings.model_fields}
    set_ = {name: text for name, text in environ.items() if name.startswith(PREFIX) and text}
    if unknown := sorted(set_.keys() - keys.keys()):
        near = get_close_matches(unknown[0].removeprefix(PREFIX).lower(), keys.values(), n=1)
        hint = (
            f"did you mean {variable_name(near[0])}?"
            if near
            else "'kharness run --settings' lists those that there are"
        )
        raise UsageError(f"{unknown[0]}: there is no such setting; {hint}")
    wrong = [Problem(ENVIRONMENT, name, NO_TEXT) for name, text in set_.items() if not _is_text((text,))]
    if wrong:
        raise SettingsError(wrong)
    found = {keys[name]: read_words(keys[name], (text,)) for name, text in set_.items()}
    names = {key: variable_name(key) for key in found}
    return SettingsLayer(said=_for_tests(found) if in_test else found, file=ENVIRONMENT, names=names, unsets=True)


def read_words(key: str, words: tuple[str, ...]) -> Any:
    """Return the value that words mean for a key, as a file would have it; `null` alone means the key's default."""
    if words == NULL:
        return None
    match form_of(key):
        case Form.LIST:
            return list(_items(words))
        case Form.NAMED:
            return _named(key, words)
        case Form.VALUE | Form.FLAG:
            return read_value(words[-1])


def read_value(text: str) -> Any:
    """Return what one text means."""
    if text.startswith(("[", "{")):
        try:
            return read_yaml(text.encode()).value
        except YamlError:
            return text
    return plain(text) if text else text


NO_TEXT = "should be text in UTF-8, without control characters"


def _is_text(words: tuple[str, ...]) -> bool:
    return not any(NOT_TEXT.search(text) for text in words)


def _items(words: Iterable[str]) -> Iterable[Any]:
    for text in words:
        value = read_value(text)
        yield from value if isinstance(value, list) else [value]


def _named(key: str, words: Iterable[str]) -> dict[str, Any]:
    # `A={...}` is a text where all values are texts, and a mapping elsewhere.
    texts = key in ASSIGNED
    found: dict[str, Any] = {}
    for text in words:
        value = read_value(text)
        if isinstance(value, Mapping):
            found |= value
            continue
        for item in value if isinstance(value, list) else [text]:
            name, separator, said = str(item).partition("=")
            absent: dict[str, Any] | None = None if texts else {}
            found[name] = (said if texts else read_value(said)) if separator else absent
    return found


def _for_tests(said: Mapping[str, Any]) -> dict[str, Any]:
    over = {key: value for key, value in said.items() if key in ServiceKeys.model_fields and key not in ONLY_PRODUCTION}
    return {**said, "test": {**(said.get("test") or {}), **over}} if over else dict(said)


def _unwrapped(annotation: Any) -> Any:
    """Return a type without `Annotated` and without None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        inner = [each for each in get_args(annotation) if each is not type(None)]
        return _unwrapped(inner[0])
    return annotation

"""Read `settings.yaml`: every problem of a file at once, each at its key, in the order of the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kharness.errors import Problem, SettingsError
from kharness.settings.catalog import SETTINGS_FILE
from kharness.settings.checks import check_hostname, check_image, check_secrets, check_settings, empty_keys
from kharness.settings.layers import MergedLayers, SettingsLayer, merge_layers
from kharness.settings.model import Settings
from kharness.settings.problems import KeyProblem, key_problems, without_variables
from kharness.settings.section import Loc
from kharness.settings.values import shown
from kharness.settings.yaml12 import Document, YamlError, read_yaml

NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
"""A path component of an image's name, by the grammar of the registry's distribution project."""
SHORTEST = 2
"""An engine takes no shorter name for a container."""
OTHER_KEY = re.compile(r"\b(?:mem_limit|volumes|tmpfs)\b")
"""The keys that a message about another one speaks of."""
NULL = "should have a value, not null; remove the key if its default is meant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings, and the sources that they are laid together from, the lowest first."""

    settings: Settings
    sources: tuple[SettingsLayer, ...]


def load_settings(
    directory: Path, *, below: Iterable[SettingsLayer] = (), above: Iterable[SettingsLayer] = ()
) -> Settings:
    """Read a container directory's settings; raises `SettingsError` with all problems of the file.

    The file is laid over what is `below`, and under what is `above`; each the lowest first.
    """
    return load_laid(directory, below=below, above=above).settings


def load_laid(directory: Path, *, below: Iterable[SettingsLayer] = (), above: Iterable[SettingsLayer] = ()) -> Loaded:
    """Read the same, and tell what it is made of."""
    file = directory / SETTINGS_FILE
    name = directory.resolve().name
    if len(name) < SHORTEST or not NAME.fullmatch(name):
        message = (
            "the directory's name is the image's, it should be at least two lower-case letters or digits, with '-', "
            f"'.' or '_' only between them, not {shown(name)}"
        )
        raise SettingsError([Problem(file, "", message)])
    try:
        text = file.read_bytes()
    except OSError as error:
        raise SettingsError([Problem(file, "", f"cannot be read: {error.strerror}")]) from None
    has_dockerfile = (directory / "Dockerfile").is_file()
    return _parse(text, file=file, has_dockerfile=has_dockerfile, below=below, above=above)


def parse_settings(text: bytes, *, file: Path, has_dockerfile: bool, below: Iterable[SettingsLayer] = ()) -> Settings:
    """Read the text of a settings file; `file` is where its problems are said to be. Raises `SettingsError` only."""
    return _parse(text, file=file, has_dockerfile=has_dockerfile, below=below, above=()).settings


def _parse(
    text: bytes, *, file: Path, has_dockerfile: bool, below: Iterable[SettingsLayer], above: Iterable[SettingsLayer]
) -> Loaded:
    document = _document(text, file)
    value, wrong = without_variables(_without_extensions(document.value))
    wrong += [
        KeyProblem(loc=loc, message=f"should be set once, it is in line {line} already")
        for loc, line in document.duplicates
    ]
    own = SettingsLayer(said=value, file=file)
    sources = (*below, own, *above)
    together = merge_layers(sources)
    problems = [*wrong, *(KeyProblem(loc=loc, message=NULL) for loc in empty_keys(together.value))]
    settings = _check(together.value, problems, file=file, has_dockerfile=has_dockerfile)
    if settings is None:
        raise SettingsError(_sorted(problems, together, own, document, always=wrong))
    return Loaded(settings=settings, sources=sources)


def _document(text: bytes, file: Path) -> Document:
    try:
        document = read_yaml(text)
    except YamlError as error:
        raise SettingsError([Problem(file, f"line {error.line}" if error.line else "", error.message)]) from None
    if document.value is None:
        raise SettingsError([Problem(file, "", "should not be empty; write {} if every default is meant")])
    if not isinstance(document.value, Mapping):
        message = f"should be a mapping such as 'ports: [80]', not {shown(document.value)}"
        raise SettingsError([Problem(file, "", message)])
    return document


def _check(
    value: Mapping[str, Any], problems: list[KeyProblem], *, file: Path, has_dockerfile: bool
) -> Settings | None:
    """Return the settings if there is no problem, else add what is found to `problems`."""
    settings = None
    try:
        settings = Settings.model_validate(value)
    except ValidationError as error:
        known = {problem.loc for problem in problems}
        problems += [found for found in key_problems(error) if not _within(found.loc, known)]
    problems += check_image(value, has_dockerfile=has_dockerfile)
    if settings is not None:
        problems += check_settings(settings)
        problems += check_hostname(settings, name=file.parent.resolve().name)
        problems += check_secrets(settings, directory=file.parent, has_dockerfile=has_dockerfile)
    return None if problems else settings


def _without_extensions(value: Mapping[str, Any]) -> dict[str, Any]:
    # As in Compose, the place for anchors that belong to no key.
    return {key: said for key, said in value.items() if not key.startswith("x-")}


def _within(loc: Loc, others: set[Loc]) -> bool:
    return any(loc[:length] in others for length in range(len(loc) + 1))


def _sorted(
    problems: Iterable[KeyProblem],
    together: MergedLayers,
    own: SettingsLayer,
    document: Document,
    *,
    always: Iterable[KeyProblem],
) -> list[Problem]:
    """Return the problems of other places, then those of the file in its order; `always` are the file's own."""
    always = frozenset(always)
    unique: set[tuple[int, Problem]] = set()
    for found in problems:
        owner = own if found in always else together.owner(found.loc) or own
        line = document.line(found.loc) if owner is own else -1
        unique.add((line, owner.problem(found.loc, found.message + _because(found, together, owner))))
    return [problem for _, problem in sorted(unique)]


def _because(found: KeyProblem, together: MergedLayers, owner: SettingsLayer) -> str:
    """Say where a key that the message names is from, where it is from elsewhere."""
    for key in OTHER_KEY.findall(found.message):
        other = together.owner((key,))
        if other is not None and other is not owner:
            return f"; {key} is from {other.title((key,))}"
    return ""

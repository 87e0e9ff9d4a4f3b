"""Ways to read a settings file that is given as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from kharness.errors import SettingsError
from kharness.settings.load import parse_settings
from kharness.settings.model import Settings
from kharness.settings.schema import json_schema
from kharness.settings.yaml12 import read_yaml

FILE = Path("web/settings.yaml")


@pytest.fixture(scope="session")
def schema() -> jsonschema.Draft202012Validator:
    """Check files by the JSON schema."""
    return jsonschema.Draft202012Validator(json_schema())


@pytest.fixture
def read(schema: jsonschema.Draft202012Validator) -> Callable[[str], Settings]:
    """Read the text of a settings file that stands beside a Dockerfile; the schema must take whatever the models do."""

    def parse(text: str) -> Settings:
        settings = parse_settings(text.encode(), file=FILE, has_dockerfile=True)
        schema.validate(read_yaml(text.encode()).value)
        return settings

    return parse


@pytest.fixture
def complaints() -> Callable[..., list[str]]:
    """Return what is said about the text of a settings file, line by line, without the file's name."""

    def complain(text: str | bytes, *, has_dockerfile: bool = True) -> list[str]:
        data = text if isinstance(text, bytes) else text.encode()
        with pytest.raises(SettingsError) as caught:
            parse_settings(data, file=FILE, has_dockerfile=has_dockerfile)
        return [line.removeprefix(f"{FILE}: ") for line in str(caught.value).splitlines()]

    return complain

"""The JSON schema for editors. That it takes every form is checked wherever a test reads one, by the fixture `read`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from kharness.settings.model import Settings
from kharness.settings.schema import json_schema


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "value",
    [
        {"prots": [80]},
        {"privileged": "maybe"},
        {"pid": "private"},
        {"secrets": ["x"]},
        {"ports": 80},
        {"ports": [{"published": 80}]},
        {"ports": None},
        {"read_only": "yes"},
        {"mem_limit": "lots"},
        {"stop_grace_period": "soon"},
        {"volumes": ["data"]},
        {"volumes": [{"type": "bnd", "target": "/x"}]},
        {"volumes": [{"type": "bind", "source": "/x", "target": "/x", "test": "cpoy"}]},
        {"restart": "never"},
        {"release": {"verify": "never"}},
        {"test": {"autostart": 4}},
        {"autostart": "soon"},
    ],
)
def test_an_editor_sees_a_mistake(schema: jsonschema.Draft202012Validator, value: dict[str, Any]) -> None:
    assert not schema.is_valid(value)


def test_every_key_is_explained() -> None:
    schema = json_schema()
    assert list(_unexplained("", schema)) == []
    for name, definition in schema["$defs"].items():
        assert list(_unexplained(name, definition)) == []


def test_every_key_of_the_models_is_in_the_schema() -> None:
    assert set(json_schema()["properties"]) == set(Settings.known_keys())


def _unexplained(name: str, definition: dict[str, Any]) -> Iterator[str]:
    for form in definition.get("anyOf", [definition]):
        for key, found in form.get("properties", {}).items():
            if not found.get("description"):
                yield f"{name}.{key}"

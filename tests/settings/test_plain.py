"""A row of the table is all that a plain key needs: everything that reads the table has it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from kharness.engine.requests import create_body
from kharness.plan.launch.docker_line import docker_words
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.launch.traits import requested
from kharness.settings.flags import flag_name, from_flags
from kharness.settings.foreign import HARMLESS, UNSUPPORTED
from kharness.settings.plain import PLAIN, PlainKey
from kharness.settings.schema import docstrings, json_schema
from kharness.settings.service import TYPES, ServiceKeys
from kharness.settings.yaml12 import read_yaml
from tests.plan.made import production_plan, subject

EXAMPLES: dict[str, Any] = {
    **read_yaml((Path(__file__).parents[2] / "docs/settings.yaml").read_bytes()).value,
    "pid": "host",
    "privileged": True,
    "tty": True,
    "stdin_open": True,
}
SCHEMA = json_schema()["properties"]


@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row.key)
def test_a_key_is_known_wherever_the_table_is_read(row: PlainKey) -> None:
    assert row.kind in TYPES
    assert row.key in ServiceKeys.model_fields
    assert row.key in {each.name for each in fields(RunSpec)}
    assert SCHEMA[row.key]["description"] == docstrings(ServiceKeys)[row.key] == row.text
    assert from_flags({row.key: ("null",)}).names[row.key] == flag_name(row.key)

    said = {row.key: EXAMPLES[row.key], "mem_limit": "512m"}
    spec = production_plan(subject(said, built=False)).spec
    body: Any = create_body(spec)
    for name in row.place:
        body = body[name]
    assert body
    assert row.flag in docker_words(spec)
    assert [key for key in requested(create_body(spec), None) if key.split(".")[0] == row.key]


def test_no_key_field_or_flag_is_in_the_table_twice() -> None:
    for column in ("key", "field", "flag"):
        values = [getattr(row, column) for row in PLAIN]
        assert len(values) == len(set(values))


def test_no_key_of_the_table_is_called_unsupported_or_ignored() -> None:
    known = {row.key for row in PLAIN}
    assert known.isdisjoint(UNSUPPORTED["service"]), "take the key out of kharness/settings/foreign.py"
    assert known.isdisjoint(HARMLESS["service"]), "take the key out of kharness/settings/foreign.py"

"""Whatever a file holds, the answer is settings or a `SettingsError`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kharness.errors import SettingsError
from kharness.settings.load import parse_settings
from kharness.settings.model import Settings, TestOverrides
from kharness.settings.sources import source_paths

WORDS = st.sampled_from(
    [
        *("80:80", "53/udp", "1-2:3-4", "[::1]:1:1", "./a:/b:ro", "/x", "a=b", "=", ":", "1m30s", "512m", "${X}", "$$"),
        *("no", "on-failure:3", "4,host=x", "../x", "0o777", "-1", "'", "service_healthy", "/dev/a:/dev/b:rw", "\0"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8)
KEYS = st.sampled_from(
    sorted(
        {
            *Settings.known_keys(),
            *TestOverrides.known_keys(),
            "target",
            "source",
            "type",
            "bind",
            "soft",
            "condition",
            "options",
        }
    )
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), values, max_size=4),
    max_leaves=12,
)


def read(text: bytes) -> None:
    for has_dockerfile in (True, False):
        with contextlib.suppress(SettingsError):
            parse_settings(text, file=Path("settings.yaml"), has_dockerfile=has_dockerfile)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_an_error(text: bytes) -> None:
    read(text)


@settings(deadline=None)
@given(st.text(st.sampled_from("a b:-[]{}*&!|>'\"#%@`\n\t,?=~0x1.e<$"), max_size=60))
def test_any_punctuation_is_settings_or_an_error(text: str) -> None:
    read(text.encode())


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_structure_is_settings_or_an_error(value: dict[str, Any]) -> None:
    read(yaml.safe_dump(value, allow_unicode=True).encode(errors="replace"))


@settings(deadline=None)
@given(VALUES)
def test_any_value_of_any_key_is_read_or_told(value: Any) -> None:
    for key in Settings.known_keys():
        read(yaml.safe_dump({key: value}).encode())


@settings(deadline=None)
@given(st.text(st.sampled_from("ab:-[]{}*&'\"\n ,?\\xU0"), max_size=40))
def test_the_parser_for_hosts_without_libyaml_is_no_worse(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kharness.settings.yaml12.LOADER", yaml.SafeLoader)
        read(text.encode())


@settings(deadline=None, max_examples=50)
@given(text=st.binary(max_size=60) | st.sampled_from([b"[tool]\nkharness = 1", b"[tool.kharness]\nsource_paths = 1"]))
def test_any_project_file_has_source_paths_or_an_error(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    project = tmp_path_factory.getbasetemp()
    (project / "pyproject.toml").write_bytes(b"# kharness\n" + text)
    with contextlib.suppress(SettingsError):
        source_paths(project=project, environ={}, user_file=project / "none", system_file=project / "none")

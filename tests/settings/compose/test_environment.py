from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kharness.settings.compose.canonical import canonical_service
from kharness.settings.compose.document import Reading
from kharness.settings.compose.environment import with_environment
from kharness.settings.compose.scalars import written_text
from kharness.settings.yaml12 import plain


def environment(service: dict[str, Any], reading: Reading) -> dict[str, Any]:
    return with_environment(canonical_service(service, ("services", "a"), []), {}, reading)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1.50", "1.5"),
        ("1e6", "1e+06"),
        ("1e-7", "1e-07"),
        (".inf", "+Inf"),
        ("1.0", "1"),
        ("0.0", "0"),
        ("123456.0", "123456"),
        ("1234567.5", "1.2345675e+06"),
        ("0.0001", "0.0001"),
        ("1e21", "1e+21"),
        ("0x1F", "31"),
        ("022", "022"),
        ("true", "true"),
        ("yes", "yes"),
    ],
)
def test_plain_values_become_the_text_that_compose_makes_of_them(written: str, expected: str) -> None:
    assert written_text(plain(written)) == expected


def test_a_missing_file_of_variables_is_a_problem_unless_it_is_optional(tmp_path: Path) -> None:
    reading, path = Reading(), str(tmp_path / "a.env")
    optional: dict[str, Any] = {"env_file": [{"path": path, "required": False}]}
    assert environment(optional, reading) == {}
    assert not reading.problems
    environment({"env_file": path}, reading)
    assert len(reading.problems) == 1


def test_own_variables_win_over_files_and_files_use_those_before(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=1\nB=2\n")
    (tmp_path / "b.env").write_text("C=$A\n")
    service = {"env_file": [str(tmp_path / "a.env"), str(tmp_path / "b.env")], "environment": ["B=own"]}
    found = environment(service, Reading())
    assert found == {"environment": {"A": "1", "B": "own", "C": "1"}}

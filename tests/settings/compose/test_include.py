from __future__ import annotations

from pathlib import Path

from kharness.settings.compose.document import Reading
from kharness.settings.compose.include import read_model


def test_a_name_defined_in_two_ways_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "main.yaml").write_text("include: [other.yaml]\nservices: {a: {image: one}}")
    (tmp_path / "other.yaml").write_text("services: {a: {image: two}}")
    reading = Reading()
    read_model([tmp_path / "main.yaml"], directory=tmp_path, environment={}, reading=reading)
    assert [problem.key for problem in reading.problems] == ["services.a (line 2)"]


def test_files_included_together_are_merged_in_their_project_directory(tmp_path: Path) -> None:
    (tmp_path / "main.yaml").write_text("include: [{path: [x.yaml, y.yaml], project_directory: sub}]")
    (tmp_path / "x.yaml").write_text("services: {a: {image: one, volumes: ['./d:/d']}}")
    (tmp_path / "y.yaml").write_text("services: {a: {image: two}}")
    reading = Reading()
    model = read_model([tmp_path / "main.yaml"], directory=tmp_path, environment={}, reading=reading)
    assert model["services"] == {"a": {"image": "two", "volumes": [f"{tmp_path}/sub/d:/d"]}}
    assert not reading.problems

from __future__ import annotations

from pathlib import Path

from kharness.settings.compose.document import Reading, read_file

NOTHING: dict[str, str] = {}


def test_a_file_is_read_with_its_tags_and_without_what_has_a_wrong_shape(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text("services:\n  a: {image: $I, ports: !reset []}\n  b: 1\nvolumes: {v: 1}\nx-any: [1]\n")
    reading = Reading()
    file = read_file(path, {"I": "i"}.get, reading)
    assert file is not None
    assert file.value == {"services": {"a": {"image": "i", "ports": []}}, "volumes": {}, "x-any": [1]}
    assert file.document.tags == {("services", "a", "ports"): "!reset"}
    assert [problem.key for problem in reading.problems] == ["services.b (line 3)", "volumes.v (line 4)"]


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    reading = Reading()
    assert read_file(tmp_path, NOTHING.get, reading) is None
    assert reading.variables(tmp_path, NOTHING.get) == {}
    assert len(reading.problems) == 2

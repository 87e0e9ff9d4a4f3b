from __future__ import annotations

from pathlib import Path

from kharness.settings.compose.document import Reading, read_file
from kharness.settings.compose.extends import Extending

NOTHING: dict[str, str] = {}


def test_another_file_is_read_once_and_its_chain_is_followed(tmp_path: Path) -> None:
    (tmp_path / "main.yaml").write_text(
        "services:\n"
        "  a: {extends: {file: base.yaml, service: two}, command: [own]}\n"
        "  b: {extends: {file: base.yaml, service: one}}\n"
    )
    (tmp_path / "base.yaml").write_text("services: {one: {image: i, command: [x]}, two: {extends: one, tty: true}}")
    reading = Reading()
    file = read_file(tmp_path / "main.yaml", NOTHING.get, reading)
    assert file is not None
    found = Extending(NOTHING.get, reading).services(file, tmp_path)
    assert found == {"a": {"image": "i", "command": ["own"], "tty": True}, "b": {"image": "i", "command": ["x"]}}
    assert reading.files == [tmp_path / "main.yaml", tmp_path / "base.yaml"]
    assert not reading.problems

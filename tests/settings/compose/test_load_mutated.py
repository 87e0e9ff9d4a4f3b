"""Whatever a folder holds, the answer is a project or a `SettingsError`, and neither takes long."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from pathlib import Path

import pytest

from kharness.errors import SettingsError
from kharness.settings.compose.folder import compose_folder
from kharness.settings.compose.load import load_compose
from tests.settings.compose.answers import ENVIRON, projects

COUNT, SHARES = 2000, 8
PIECES = (
    *(
        "null",
        "true",
        "-1",
        "1e999",
        ".nan",
        "[]",
        "{}",
        "[[]]",
        "{a: {}}",
        "''",
        "x",
        "${X}",
        "${X:-{}}",
        "$",
        "&a",
        "*a",
    ),
    *(
        "!reset",
        "!override",
        "<<: ",
        "- ",
        ": ",
        "? ",
        "0x",
        "99999999999999999999",
        "~",
        "|",
        ">",
        "#",
        '"',
        "'",
        "\t",
    ),
    *("\0", "\ufeff", "é", "%", "---\n", "services:", "x-a: ", "image", "deploy: 1", "build: [1]", "ports: {a: b}"),
)


def mutated(text: str, chance: random.Random) -> str:
    """Return the text with one to three changes: something taken away, put in, doubled, or another value of a key."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text) + 1)
        match chance.randrange(4):
            case 0:
                text = text[:at] + text[at + chance.randint(1, 12) :]
            case 1:
                text = text[:at] + chance.choice(PIECES) + text[at:]
            case 2:
                text = text[:at] + text[max(0, at - chance.randint(1, 40)) : at] + text[at:]
            case _:
                lines = text.split("\n")
                line = chance.randrange(len(lines))
                key, colon, _value = lines[line].partition(": ")
                lines[line] = f"{key}{colon}{chance.choice(PIECES)}"
                text = "\n".join(lines)
    return text


@pytest.mark.parametrize("share", range(SHARES))
def test_a_mutated_project_is_read_or_refused(share: int, tmp_path: Path) -> None:
    chance = random.Random(share)
    for number in range(COUNT // SHARES):
        origin = chance.choice(projects())
        folder = tmp_path / f"{number}"
        shutil.copytree(origin, folder)
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != "expected.json"]
        file = chance.choice(sorted(files))
        file.write_text(mutated(file.read_text(), chance))
        with contextlib.suppress(SettingsError):
            load_compose(folder, environ=ENVIRON)


def test_thousands_of_ports_are_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text('services: {a: {image: a, ports: ["30000-34000:30000-34000/udp"]}}')
    assert compose_folder(tmp_path) is not None
    started = time.monotonic()
    ports = load_compose(tmp_path, environ=ENVIRON).services["a"]["ports"]
    assert time.monotonic() - started < 1
    assert (len(ports), ports[-1]) == (
        4001,
        {"mode": "ingress", "target": 34000, "published": "34000", "protocol": "udp"},
    )


def test_a_volume_of_one_letter_is_refused_as_a_path_of_another_system(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services:\n  a:\n    image: a\n    volumes: ['d:/d']\nvolumes: {d: }\n")
    with pytest.raises(SettingsError, match=r"services\.a\.volumes\[0\] \(line 4\): .*at least two characters"):
        load_compose(tmp_path, environ=ENVIRON)

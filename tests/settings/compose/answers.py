"""What Compose answers to `config` for the projects of the corpus, and ours, in one form that can be compared.

`python -m tests.settings.compose.answers BINARY` writes the answers of a `docker-compose` 2.40 again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kharness.settings.compose.load import load_compose

CORPUS = Path(__file__).parent / "corpus"
ANSWER = "expected.json"
HOME = str(Path.home())
ENVIRON = {"HOME": HOME, "PATH": "/usr/local/bin:/usr/bin:/bin"}
CONFIG = ("config", "--format", "json")
OCTAL = "an octal number of a variable: Compose makes another number of what was written"
OLD = "a number as only YAML 1.1 writes it: Compose makes another text of what was written"
OPERATOR = "what is behind an operator of a shell: Compose cuts it off"
KEPT = "extensions within a service: Compose has them, and prints none in JSON"
DIFFERENT = {
    ("gluetun", "services.torrent.environment.UMASK"): OCTAL,
    **{("odd-yaml", f"services.yes-no.environment.{name}"): OLD for name in ("J", "K", "S")},
    ("case-env-octal-number", "services.app.environment.UMASK"): OCTAL,
    ("case-command-with-operator", "services.app.command"): OPERATOR,
    ("case-command-escapes", "services.app.command.2"): "a backslash in double quotes: Compose takes it away",
    ("commands", "services.h.command"): OPERATOR,
    ("ports", "services.a.ports.24.x-note"): KEPT,
    ("sizes", "services.d.ulimits.core"): "a limit of zero: Compose has it, and prints an empty mapping",
    ("anchors", "services.a.x-kept"): KEPT,
    ("anchors", "services.b.x-kept"): KEPT,
}
"""Where ours is another answer on purpose: the project and the place, and why."""


def projects() -> list[Path]:
    return sorted(path for path in CORPUS.iterdir() if path.is_dir())


def ours(folder: Path) -> Any:
    """Return our answer for a project, in the form that can be compared."""
    found = load_compose(folder, environ=ENVIRON)
    answer = {
        "name": found.name,
        "services": found.services,
        "networks": found.networks,
        "volumes": found.volumes,
        "secrets": found.secrets,
        "configs": found.configs,
    }
    return _plain({key: value for key, value in answer.items() if value}, str(folder))


def theirs(printed: str, folder: str, home: str = HOME) -> Any:
    """Return the answer that Compose printed of a folder, in the same form."""
    answer = {key: value for key, value in json.loads(printed).items() if not key.startswith("x-") and key != "models"}
    return _unescaped(_plain({key: value for key, value in answer.items() if value}, folder, home))


def _plain(value: Any, folder: str, home: str = HOME) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each, folder, home) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, folder, home) for each in value]
    if isinstance(value, str):
        return _relative(value, folder, home)
    if value is None or isinstance(value, bool):
        return value
    return int(value) if isinstance(value, int) else float(value)


def _relative(text: str, folder: str, home: str) -> str:
    for name, path in (("FOLDER", folder), ("ABOVE", folder.rpartition("/")[0]), ("HOME", home)):
        if text == path or text.startswith(f"{path}/"):
            return f"{name}{text.removeprefix(path)}"
    return str(text)


def _unescaped(value: Any) -> Any:
    """Undo what Compose does so that its output can be read as a Compose file."""
    if isinstance(value, dict):
        return {key: _unescaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_unescaped(each) for each in value]
    return value.replace("$$", "$") if isinstance(value, str) else value


def differences(theirs: Any, ours: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Yield each place where two answers differ, and how."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}):
            here = f"{at}.{key}".removeprefix(".")
            if key not in theirs:
                yield here, f"only ours: {ours[key]!r}"
            elif key not in ours:
                yield here, f"only theirs: {theirs[key]!r}"
            else:
                yield from differences(theirs[key], ours[key], here)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, pair in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(*pair, f"{at}.{index}")
    elif theirs != ours:
        yield at, f"theirs {theirs!r}, ours {ours!r}"


def committed(folder: Path) -> Any:
    return json.loads((folder / ANSWER).read_text())


def asked(binary: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Ask a Compose on this machine for its answer."""
    return subprocess.run([binary, *CONFIG], cwd=folder, env=ENVIRON, capture_output=True, text=True, check=False)


def main(argv: Sequence[str]) -> None:
    for folder in projects():
        done = asked(argv[0], folder)
        if done.returncode:
            sys.exit(f"{folder.name}: {done.stderr}")
        text = json.dumps(theirs(done.stdout, str(folder)), indent=1, sort_keys=True, ensure_ascii=False)
        (folder / ANSWER).write_text(f"{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])

"""The file in which a session leaves its result for the process that started it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from kharness.errors import HostError
from kharness.plan.gate.result import SessionResult


def new_result(directory: Path, name: str) -> Path:
    """Return the path of a result that does not exist yet; raises `HostError` where the directory cannot be made."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"{directory}: cannot be made: {error.strerror}") from error
    return directory / f"{name}.{secrets.token_hex(8)}.result"


def write_result(path: Path, result: SessionResult) -> None:
    """Write a result, all of it or nothing; raises `OSError`."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(result.to_json(), encoding="utf-8")
    partial.replace(path)


def take_result(path: Path) -> SessionResult | None:
    """Read a result and remove its file; None where the session wrote none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    with suppress(OSError):
        path.unlink()
    return SessionResult.from_json(text)

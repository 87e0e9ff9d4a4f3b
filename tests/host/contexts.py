"""Container directories, and what would be sent to a builder for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kharness.host.image.context import ContextEntry, content_digest, plan_context


def write(directory: Path, name: str, text: str = "", *, mode: int = 0o644) -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def plan(
    directory: Path, *, copies: Sequence[tuple[Path, str]] = (), downloads: Sequence[tuple[Path, str, int | None]] = ()
) -> dict[str, ContextEntry]:
    return {entry.arcname: entry for entry in plan_context(directory, copies=copies, downloads=downloads)}


def digest(directory: Path, **extra: str) -> str:
    return content_digest(plan_context(directory, copies=(), downloads=()), extra)

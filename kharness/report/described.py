"""Container directories, as a table for people and as values for programs."""

from __future__ import annotations

from typing import Any

from kharness.plan.described import Described

COLUMNS = ("name", "wave", "image", "tests", "note")


def described_row(found: Described, *, why: str = "") -> tuple[str, ...]:
    """Return a row of the table; `why` is the reason for which it is listed."""
    wave = "" if found.wave is None else f"{found.wave}{f' on {found.host}' if found.host else ''}"
    files = f"{found.test_files} {'file' if found.test_files == 1 else 'files'}" if found.test_files else ""
    tests = " and ".join(filter(None, (files, "expect" if found.expects else "")))
    return found.name, wave, "built" if found.buildable else "pulled", tests, "settings broken" if found.broken else why


def described_value(found: Described, *, why: str | None = None) -> dict[str, Any]:
    """Return it as plain values; with `why` as `down`, where that was asked."""
    return {
        "name": found.name,
        "path": found.path,
        "wave": found.wave,
        "host": found.host,
        "buildable": found.buildable,
        "testable": found.testable,
        "test_files": found.test_files,
        "expects": found.expects,
        "settings": found.broken or None,
        **({} if why is None else {"down": why}),
    }

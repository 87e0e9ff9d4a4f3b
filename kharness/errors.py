"""Every error that a user can meet, as one tree.

    KharnessError
    ├── SettingsError            a settings file, with all its problems
    ├── UsageError               what was typed cannot be done
    ├── RefusedError             the gate refuses
    ├── EngineError              the engine refused or failed
    │   ├── EngineUnavailableError   no engine answers
    │   ├── ImageMissingError        no such image, and it cannot be pulled
    │   ├── ContainerMissingError
    │   ├── ConflictError            the name, address or port is taken
    │   └── BuildError               a build step failed; carries the last lines
    ├── UnseenError              a check found nothing that it could look at
    ├── LaunchError              a container did not start or did not become ready
    ├── ExpectationError         a container does not meet an expectation of a test or its settings
    ├── HostError                the host's file system or network refused
    │   └── LockedError              another process holds the lock
    └── StateError               the state database cannot be used

Edges (the command line and the plugin) catch `KharnessError` once and print it; its text is complete and needs no
traceback.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


STYLE = re.compile(r"\x1b\[[0-9;:]*m")
"""Colours and weights of text, console_codes(4): they move nothing and change nothing but looks."""
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Characters that a terminal obeys, hides or cannot print, except for tabs and newlines."""

BYTES = (0xDC80, 0xDCFF)
"""The surrogates that stand for bytes of a file name that is not UTF-8."""


def visible(text: str, *, style: bool = False) -> str:
    """Return a text without control characters: they are shown as in a Python string.

    Colours are left out, or kept with `style`.
    """
    text = text.replace("\r\n", "\n")
    if not OBEYED.search(text):
        return text
    if not style:
        return OBEYED.sub(_escaped, STYLE.sub("", text))
    kept = STYLE.findall(text)
    shown = [OBEYED.sub(_escaped, part) for part in STYLE.split(text)]
    return "".join(f"{part}{code}" for part, code in zip(shown, [*kept, ""], strict=True))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if BYTES[0] <= code <= BYTES[1]:
        return f"\\x{code - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode()


class KharnessError(Exception):
    """Root of the tree; `str()` is a message for a person, of which a terminal obeys nothing."""

    def __str__(self) -> str:
        return visible(super().__str__())


class UsageError(KharnessError):
    """What was typed, or the combination of it, cannot be done."""


class RefusedError(KharnessError):
    """What was typed could be done, and the gate forbids it; the text has the reasons."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a file: `FILE: key.path[1].name: what it should be, not what it is`."""

    file: Path
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else f"{self.file}"
        return visible(f"{where}: {self.message}")


class SettingsError(KharnessError):
    """A settings file cannot be used; `problems` has everything that is wrong in it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class EngineError(KharnessError):
    """The engine refused a request or failed while it worked on one."""


class EngineUnavailableError(EngineError):
    """No engine answers; the text says what was tried and what to do."""


class ImageMissingError(EngineError):
    """There is no such image on the engine, and it could not be pulled."""


class ContainerMissingError(EngineError):
    """There is no such container on the engine."""


class ConflictError(EngineError):
    """A name, address or port is taken."""


class BuildError(EngineError):
    """A build step failed; `tail` has the last lines of its output."""

    def __init__(self, message: str, *, tail: tuple[str, ...] = ()) -> None:
        self.tail = tail
        super().__init__("\n".join((message, *(f"    {line}" for line in tail))))


class UnseenError(KharnessError):
    """What a check looks at cannot be seen, and what was not seen is never said to be well."""


class LaunchError(KharnessError):
    """A container did not start, or did not become ready; the text ends with its last log lines."""


class ExpectationError(KharnessError):
    """A container was not, in time, as it is expected to be; the text says what was expected, and what was seen."""


class HostError(KharnessError):
    """The host's file system, network or a program on it refused."""


class LockedError(HostError):
    """Another process holds a lock; the text says which."""


class StateError(KharnessError):
    """The state database is missing, damaged, read-only or from a newer version."""

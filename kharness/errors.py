"""Every error that a user can meet, as one tree.

    KharnessError
    ├── SettingsError            a settings file, with all its problems
    ├── UsageError               what was typed cannot be done
    ├── RefusedError             the gate says no
    ├── EngineError              the engine refused or failed
    │   ├── EngineUnavailableError   no engine answers
    │   ├── ImageMissingError        no such image, and it cannot be pulled
    │   ├── ContainerMissingError
    │   ├── ConflictError            the name, address or port is taken
    │   └── BuildError               a build step failed; carries the last lines
    ├── UnseenError              a check found nothing that it could look at
    ├── LaunchError              a container did not start or did not become ready
    ├── ExpectationError         a container is not as a test, or its settings, expect it to be
    ├── HostError                the host's file system or network refused
    │   └── LockedError              somebody else is at it
    └── StateError               the state database cannot be used

Edges (the command line and the plugin) catch `KharnessError` once and print it; its text is complete and needs no
traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class KharnessError(Exception):
    """Root of the tree; `str()` is a message for a person."""


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
        return f"{where}: {self.message}"


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
    """Somebody else holds a lock; the text says who."""


class StateError(KharnessError):
    """The state database is missing, damaged, read-only or from a newer version."""

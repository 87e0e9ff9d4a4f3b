"""Expectations of what is inside the container: command, file, process, log."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, model_validator

from kharness.settings.expectation import READINESS, Expectation, Modes, within
from kharness.settings.patterns import Pattern, Patterns
from kharness.settings.scalars import AbsolutePath, FileMode, Filled, Flag, read_text
from kharness.settings.section import expected, wrong
from kharness.settings.several import Argv

HIGHEST_EXIT = 255
WATCH = 1.0
"""Seconds that a log is watched for what never should be in it."""
PROGRAM = re.compile(r"\S+")


def _program(value: Any) -> str:
    text = read_text(value)
    if not PROGRAM.fullmatch(text):
        raise expected("the name of a program; its whole command line is `command`")
    return text


Program = Annotated[str, BeforeValidator(_program, json_schema_input_type=str | int | float)]
ExitStatus = Annotated[int, within(0, HIGHEST_EXIT, f"an exit status from 0 to {HIGHEST_EXIT}")]


class ExpectCommand(Expectation):
    """A command, run inside until it holds, by the container's user."""

    place: ClassVar[str] = "expect.command"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"}, {"type": "array"})

    modes: Modes = READINESS
    """The kinds of test that it is part of; it may write, so in_prod must be said."""
    command: Argv
    """The command; text is split as a shell would."""
    status: ExitStatus = 0
    """Its exit status."""
    output: Patterns = ()
    """Regular expressions, each found somewhere in what it prints, on either stream."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str | list | tuple):
            raise expected("a command, or a mapping with one")
        return {"command": value}

    @model_validator(mode="after")
    def _has_a_program(self) -> Self:
        if not self.command or not self.command[0]:
            raise wrong("should name a program")
        return self


class ExpectFile(Expectation):
    """A file or directory inside, links followed."""

    place: ClassVar[str] = "expect.file"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string", "pattern": "^/"},)

    path: AbsolutePath
    """Its path in the container."""
    exists: Flag = True
    """false where there may be none."""
    contents: Patterns = ()
    """Regular expressions, each found somewhere in it."""
    mode: FileMode | None = None
    """Its mode, octal."""
    owner: Filled | None = None
    """Its owner: a name, as the image has it, or a uid."""
    group: Filled | None = None
    """Its group: a name, as the image has it, or a gid."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise expected("an absolute path, or a mapping with one")
        return {"path": value}

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if not self.exists and (self.contents or (self.mode, self.owner, self.group) != (None, None, None)):
            raise wrong("should say nothing else of a file that does not exist")
        return self


class ExpectProcess(Expectation):
    """A process runs."""

    place: ClassVar[str] = "expect.process"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)

    name: Program | None = None
    """The name of its program, such as httpd."""
    command: Pattern | None = None
    """A regular expression that is found in its command line."""
    running: Flag = True
    """false where none may run."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise expected("the name of a program, or a mapping")
        return {"name": value}

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.name is None and self.command is None:
            raise wrong("should have a name or a command")
        return self


class ExpectLog(Expectation):
    """A line is in the log, or none like it."""

    place: ClassVar[str] = "expect.log"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)

    seen: Pattern | None = None
    """A regular expression that is found in a line."""
    never: Pattern | None = None
    """A regular expression that is found in no line, until `seen` is, or as long as the log is watched."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise expected("a regular expression, or a mapping with seen or never")
        return {"seen": value}

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.seen is None and self.never is None:
            raise wrong("should say seen, never, or both")
        return self

    @property
    def patience(self) -> float:
        """Seconds to wait for a line, or without one to watch the log."""
        return WATCH if self.seen is None and "timeout" not in self.model_fields_set else self.timeout

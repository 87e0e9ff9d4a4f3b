"""`expect:`, what must be true of the running container, in the words of goss and container-structure-test.

Its answers from outside (http, tcp, dns), and what is inside of it (command, file, process, log).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from kharness.settings.ports import PortNumber
from kharness.settings.section import Loc, Section, expected, wrong
from kharness.settings.values import (
    AbsolutePath,
    Argv,
    Duration,
    FileMode,
    Filled,
    Flag,
    Pattern,
    Patterns,
    Whole,
    is_number,
    read_text,
)

ModeName = Literal["standalone", "prod_ready", "in_prod"]

EVERYWHERE: tuple[ModeName, ...] = ("standalone", "prod_ready", "in_prod")
READINESS: tuple[ModeName, ...] = ("standalone", "prod_ready")
WAIT = 10.0
"""Seconds that something may take to become true."""
NUMBER: TypeAdapter[int] = TypeAdapter(Whole)


def one_of(*choices: str) -> BeforeValidator:
    """Make the validator of a word."""

    def read(value: Any) -> str:
        if value not in choices:
            raise expected(f"one of {', '.join(choices)}")
        return str(value)

    return BeforeValidator(read, json_schema_input_type=Literal[choices])


def within(lowest: int, highest: int, what: str) -> BeforeValidator:
    """Make the validator of a whole number; `what` is expected."""

    def read(value: Any) -> int:
        try:
            found = NUMBER.validate_python(value)
        except ValueError:
            found = -1
        if not lowest <= found <= highest:
            raise expected(what)
        return found

    return BeforeValidator(read, json_schema_input_type=int | str)


def _modes(value: Any) -> Any:
    if value in ((), []):
        raise wrong(f"should name a mode: one of {', '.join(EVERYWHERE)}")
    return value


Modes = Annotated[tuple[ModeName, ...], BeforeValidator(_modes)]


class ExpectItem(Section):
    """What all of them have; `timeout` in seconds."""

    timeout: Duration = WAIT
    """How long it may take to become true."""
    modes: Modes = EVERYWHERE
    """The kinds of test that it is part of: standalone, prod_ready, in_prod."""


RECORDS = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "SSHFP", "TLSA", "TXT")
RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
LOWEST_STATUS, HIGHEST_STATUS = 100, 599
LONGEST_NAME, LONGEST_LABEL = 253, 63
URL_PATH = re.compile(r"/[!-~]*")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
DNS_NAME = re.compile(r"[A-Za-z0-9_*-]+(?:\.[A-Za-z0-9_*-]+)*\.?", re.ASCII)


def _header(value: Any) -> str:
    if not isinstance(value, str) or not HEADER.fullmatch(value):
        raise expected("the name of a header, such as Content-Type")
    return value


def _url_path(value: Any) -> str:
    if not isinstance(value, str) or not URL_PATH.fullmatch(value):
        raise expected("a path such as /healthz")
    return value


def _dns_name(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    labels = text.removesuffix(".").split(".")
    if not DNS_NAME.fullmatch(text) or len(text) > LONGEST_NAME or max(map(len, labels)) > LONGEST_LABEL:
        raise expected("a name such as www.example.org")
    return text


def _answers(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


_TEXT = str | int | float
HeaderName = Annotated[str, BeforeValidator(_header, json_schema_input_type=str)]
UrlPath = Annotated[str, BeforeValidator(_url_path, json_schema_input_type=str)]
DnsName = Annotated[str, BeforeValidator(_dns_name, json_schema_input_type=str)]
Answers = Annotated[tuple[Filled, ...], BeforeValidator(_answers, json_schema_input_type=_TEXT | list[_TEXT])]
Status = Annotated[int, within(LOWEST_STATUS, HIGHEST_STATUS, "a status such as 200")]


class ExpectHttp(ExpectItem):
    """A page is answered; asked with GET, and no redirection is followed."""

    place: ClassVar[str] = "expect.http"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string", "pattern": "^/"},)

    path: UrlPath = "/"
    """Its path, with a query if there is one."""
    port: PortNumber | None = None
    """The port in the container; the first exposed one without it."""
    scheme: Annotated[str, one_of("http", "https")] = "http"
    """http or https, whose certificate is not checked."""
    status: Status = 200
    """The status of the answer."""
    text: Patterns = ()
    """Regular expressions, each found somewhere in the answer."""
    header: Mapping[HeaderName, Pattern] = Field(default_factory=dict[str, re.Pattern[str]])
    """Headers by name, each with a regular expression that is found in its value."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise expected("a path such as /healthz, or a mapping")
        return {"path": value}


class ExpectTcp(ExpectItem):
    """A port is listened on, and takes a connection."""

    place: ClassVar[str] = "expect.tcp"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": ["integer", "string"]},)

    port: PortNumber
    """The port in the container."""
    listening: Flag = True
    """false where nothing may listen."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not (isinstance(value, str) or is_number(value)):
            raise expected("a port from 1 to 65535, or a mapping")
        return {"port": value}


class ExpectDns(ExpectItem):
    """The container's own DNS server answers a question."""

    place: ClassVar[str] = "expect.dns"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)

    name: DnsName
    """The name that is asked for."""
    type: Annotated[str, one_of(*RECORDS)] = "A"
    """The kind of record."""
    answers: Answers = ()
    """What must be among the answers; any answer does without it."""
    rcode: Annotated[str, one_of(*RCODES)] = "NOERROR"
    """The response code, such as NXDOMAIN for a name that must not exist."""
    port: PortNumber = 53
    """The server's port in the container."""
    protocol: Annotated[str, one_of("udp", "tcp")] = "udp"
    """udp or tcp."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise expected("a name such as www.example.org, or a mapping")
        return {"name": value}

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.answers and self.rcode != "NOERROR":
            raise wrong(f"should not have answers beside the rcode {self.rcode}")
        return self


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


class ExpectCommand(ExpectItem):
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


class ExpectFile(ExpectItem):
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


class ExpectProcess(ExpectItem):
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


class ExpectLog(ExpectItem):
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


AnyExpectation = ExpectHttp | ExpectTcp | ExpectDns | ExpectCommand | ExpectFile | ExpectProcess | ExpectLog


class ExpectSettings(Section):
    """What must be true of the running container: each is a test of its own."""

    place: ClassVar[str] = "expect"

    http: tuple[ExpectHttp, ...] = ()
    """Pages that are answered."""
    tcp: tuple[ExpectTcp, ...] = ()
    """Ports that are listened on."""
    dns: tuple[ExpectDns, ...] = ()
    """Names that its DNS server answers."""
    command: tuple[ExpectCommand, ...] = ()
    """Commands that are run inside."""
    file: tuple[ExpectFile, ...] = ()
    """Files and directories inside."""
    process: tuple[ExpectProcess, ...] = ()
    """Programs that run."""
    log: tuple[ExpectLog, ...] = ()
    """Lines of its log."""

    @property
    def declares(self) -> bool:
        """Whether anything is expected."""
        return any(self.each())

    def each(self) -> Iterator[tuple[Loc, AnyExpectation]]:
        """Yield all of them, in the order of the kinds, each with its place."""
        for kind in type(self).model_fields:
            for index, said in enumerate(getattr(self, kind)):
                yield ("expect", kind, index), said


def check_expect(expect: ExpectSettings, *, limit: float) -> Iterator[tuple[Loc, str]]:
    """Yield place and message of each that a test could not wait for; `limit` is `test.timeout` in seconds."""
    for loc, said in expect.each():
        if "timeout" in said.model_fields_set and said.timeout > limit:
            yield (*loc, "timeout"), f"should not be above test.timeout, which ends a test after {limit:g} s"

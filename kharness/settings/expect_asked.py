"""Expectations of what the container answers to whoever asks from outside: http, tcp, dns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from kharness.settings.expectation import Expectation, one_of, within
from kharness.settings.patterns import Pattern, Patterns
from kharness.settings.ports import PortNumber
from kharness.settings.scalars import Filled, Flag, is_number
from kharness.settings.section import expected, wrong

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


class ExpectHttp(Expectation):
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


class ExpectTcp(Expectation):
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


class ExpectDns(Expectation):
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

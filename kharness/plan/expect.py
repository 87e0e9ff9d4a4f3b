"""Expectations that settings declare, as tests with names and marks; and how texts are compared and shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from typing import assert_never

from kharness.settings.expect import (
    AnyExpectation,
    ExpectCommand,
    ExpectDns,
    ExpectFile,
    ExpectHttp,
    ExpectLog,
    ExpectProcess,
    ExpectSettings,
    ExpectTcp,
)
from kharness.settings.problems import dotted

LONGEST = 80
"""Characters of a name."""
OPAQUE = re.compile(r"[^\w -~]+|::")
"""Text that a node id cannot hold, or that would split it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """An expectation as a test: its kind, its unique name, its key in the settings, and pytest's marks."""

    kind: str
    name: str
    place: str
    marks: tuple[str, ...]
    wanted: AnyExpectation


def declared(expect: ExpectSettings) -> tuple[Declared, ...]:
    """Return all expectations as tests, in the order of the kinds; all names are unique."""
    found: dict[str, Declared] = {}
    for loc, wanted in expect.each():
        plain = _plain(_name(wanted))
        numbered = (f"{plain} ({number})" for number in count(2))
        name = next(each for each in chain([plain], numbered) if each not in found)
        found[name] = Declared(
            kind=str(loc[1]), name=name, place=dotted(loc), marks=tuple(dict.fromkeys(wanted.modes)), wanted=wanted
        )
    return tuple(found.values())


def _plain(name: str) -> str:
    text = OPAQUE.sub("?", name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _name(wanted: AnyExpectation) -> str:
    match wanted:
        case ExpectHttp():
            where = f"{'' if wanted.port is None else f':{wanted.port}'}{wanted.path}"
            name = f"{wanted.scheme} {where} is {wanted.status}{_with(wanted.text)}{_with_headers(wanted)}"
        case ExpectTcp():
            name = f"tcp {wanted.port} {'listens' if wanted.listening else 'does not listen'}"
        case ExpectDns():
            over = "" if wanted.protocol == "udp" else f" over {wanted.protocol}"
            name = f"dns {wanted.name} {wanted.type} is {', '.join(wanted.answers) or wanted.rcode}{over}"
        case ExpectCommand():
            name = f"command {' '.join(wanted.command)} exits with {wanted.status}{_with(wanted.output)}"
        case ExpectFile():
            name = f"file {wanted.path} {'exists' if wanted.exists else 'does not exist'}{_with(_of_file(wanted))}"
        case ExpectProcess():
            which = [wanted.name or "", wanted.command.pattern if wanted.command else ""]
            name = " ".join(filter(None, ("process", *which, "runs" if wanted.running else "does not run")))
        case ExpectLog():
            has = [f"has {wanted.seen.pattern}"] if wanted.seen else []
            has += [f"never has {wanted.never.pattern}"] if wanted.never else []
            name = f"log {', '.join(has)}"
        case _:
            assert_never(wanted)
    return name


def _with(what: Iterable[str | re.Pattern[str]]) -> str:
    words = ", ".join(each if isinstance(each, str) else each.pattern for each in what)
    return f" with {words}" if words else ""


def _with_headers(wanted: ExpectHttp) -> str:
    return _with(f"{name}: {value.pattern}" for name, value in wanted.header.items())


def _of_file(wanted: ExpectFile) -> Iterator[str | re.Pattern[str]]:
    if wanted.mode is not None:
        yield f"mode {wanted.mode:o}"
    if wanted.owner is not None:
        yield f"owner {wanted.owner}"
    if wanted.group is not None:
        yield f"group {wanted.group}"
    yield from wanted.contents


Text = str | re.Pattern[str]
"""A text, or a pattern, to be found anywhere in the actual text."""
SHOWN = 400
"""How many characters of the actual text are shown."""


def has(found: str, text: Text) -> bool:
    """Whether the actual text contains it."""
    return text in found if isinstance(text, str) else text.search(found) is not None


def is_(found: str, text: Text) -> bool:
    """Whether the actual text equals it, or contains the pattern."""
    return found == text if isinstance(text, str) else has(found, text)


def lacks(found: str, texts: Iterable[Text]) -> bool:
    """Whether the actual text lacks one of them."""
    return not all(has(found, text) for text in texts)


def described(text: Text) -> str:
    """Describe an expected text: `'hello'`, `matching 'h.llo'`."""
    return repr(text) if isinstance(text, str) else f"matching {text.pattern!r}"


def with_texts(texts: Iterable[Text], what: str = "text") -> str:
    """Describe the expected texts: ` with text 'hello'`; empty without texts."""
    return "".join(f" with {what} {described(text)}" for text in texts)


def shortened(text: str) -> str:
    """Cut the actual text to a readable length."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"

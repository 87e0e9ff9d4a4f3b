"""What settings expect of a container, as tests: names, marks, places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from typing import assert_never

from kharness.settings.expect import AnyExpectation, Expect
from kharness.settings.expect_asked import ExpectDns, ExpectHttp, ExpectTcp
from kharness.settings.expect_inside import ExpectCommand, ExpectFile, ExpectLog, ExpectProcess
from kharness.settings.problems import dotted

LONGEST = 80
"""Characters of a name."""
OPAQUE = re.compile(r"[^\w -~]+|::")
"""What a node id cannot hold, or what would divide it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """An expectation as a test: its kind, its name among those of its file, its place there, and pytest's marks."""

    kind: str
    name: str
    place: str
    marks: tuple[str, ...]
    said: AnyExpectation


def declared(expect: Expect) -> tuple[Declared, ...]:
    """Return all of them, in the order of the kinds; no two have one name."""
    found: dict[str, Declared] = {}
    for loc, said in expect.each():
        plain = _plain(_name(said))
        numbered = (f"{plain} ({number})" for number in count(2))
        name = next(each for each in chain([plain], numbered) if each not in found)
        found[name] = Declared(
            kind=str(loc[1]), name=name, place=dotted(loc), marks=tuple(dict.fromkeys(said.modes)), said=said
        )
    return tuple(found.values())


def _plain(name: str) -> str:
    text = OPAQUE.sub("?", name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _name(said: AnyExpectation) -> str:
    match said:
        case ExpectHttp():
            where = f"{'' if said.port is None else f':{said.port}'}{said.path}"
            name = f"{said.scheme} {where} is {said.status}{_with(said.text)}{_with_headers(said)}"
        case ExpectTcp():
            name = f"tcp {said.port} {'listens' if said.listening else 'does not listen'}"
        case ExpectDns():
            over = "" if said.protocol == "udp" else f" over {said.protocol}"
            name = f"dns {said.name} {said.type} is {', '.join(said.answers) or said.rcode}{over}"
        case ExpectCommand():
            name = f"command {' '.join(said.command)} exits with {said.status}{_with(said.output)}"
        case ExpectFile():
            name = f"file {said.path} {'exists' if said.exists else 'does not exist'}{_with(_of_file(said))}"
        case ExpectProcess():
            which = [said.name or "", said.command.pattern if said.command else ""]
            name = " ".join(filter(None, ("process", *which, "runs" if said.running else "does not run")))
        case ExpectLog():
            has = [f"has {said.seen.pattern}"] if said.seen else []
            has += [f"never has {said.never.pattern}"] if said.never else []
            name = f"log {', '.join(has)}"
        case _:
            assert_never(said)
    return name


def _with(what: Iterable[str | re.Pattern[str]]) -> str:
    words = ", ".join(each if isinstance(each, str) else each.pattern for each in what)
    return f" with {words}" if words else ""


def _with_headers(said: ExpectHttp) -> str:
    return _with(f"{name}: {value.pattern}" for name, value in said.header.items())


def _of_file(said: ExpectFile) -> Iterator[str | re.Pattern[str]]:
    if said.mode is not None:
        yield f"mode {said.mode:o}"
    if said.owner is not None:
        yield f"owner {said.owner}"
    if said.group is not None:
        yield f"group {said.group}"
    yield from said.contents

"""What a file must be: young, empty, without a text, or nothing at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

from filewatch.patterns import Kind, Pattern, parse_pattern

FORMS = "seconds (more than 0), 'DIR-EMPTY', 'FILE-EMPTY', 'NOT-FOUND:text' or 'none'"
_SEARCH = "NOT-FOUND:"


@dataclass(frozen=True, slots=True)
class MaxAge:
    """The file was modified at most this many seconds ago."""

    seconds: float

    def __str__(self) -> str:
        return f"at most {self.seconds:g} s old"


@dataclass(frozen=True, slots=True)
class DirEmpty:
    """The directory has no entry, hidden or not."""

    def __str__(self) -> str:
        return "DIR-EMPTY"


@dataclass(frozen=True, slots=True)
class FileEmpty:
    """The file has no byte."""

    def __str__(self) -> str:
        return "FILE-EMPTY"


@dataclass(frozen=True, slots=True)
class NotFound:
    """The file does not contain the text (as UTF-8)."""

    text: str

    def __str__(self) -> str:
        return f"{_SEARCH}{self.text}"


@dataclass(frozen=True, slots=True)
class Skip:
    """Whatever it is, it is right: an exception from a glob or from `{NEWEST}`."""

    def __str__(self) -> str:
        return "none"


Check = MaxAge | DirEmpty | FileEmpty | NotFound | Skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What the files of a pattern must be, and whether it is right that there are none."""

    pattern: Pattern
    check: Check
    may_be_missing: bool


def parse_rule(path: str, said: object) -> Rule:
    """Read a rule as TOML gives it: a check, or a table of `check` and `missing`. ValueError says what it should be."""
    pattern = parse_pattern(path)
    table = said if isinstance(said, dict) else {"check": said}
    if "check" not in table or table.keys() - {"check", "missing"}:
        raise ValueError(f"should be {FORMS}, or a table of check and missing, not {said!r}")
    check = parse_check(table["check"])
    if pattern.kind is Kind.NEWEST and isinstance(check, DirEmpty | Skip):
        raise ValueError(f"should be seconds, 'FILE-EMPTY' or 'NOT-FOUND:text' for the newest file, not '{check}'")
    # A glob over nothing is mostly right, a file that was named is mostly awaited.
    missing = table.get("missing", "ok" if pattern.kind is Kind.GLOB else "error")
    if missing not in {"ok", "error"}:
        raise ValueError(f"missing should be 'ok' or 'error', not {missing!r}")
    return Rule(pattern=pattern, check=check, may_be_missing=missing == "ok")


def parse_check(said: object) -> Check:
    """Read a check; ValueError says what it should be."""
    match said:
        case bool():
            pass
        case int() | float() if said > 0 and math.isfinite(said):
            return MaxAge(float(said))
        case "DIR-EMPTY":
            return DirEmpty()
        case "FILE-EMPTY":
            return FileEmpty()
        case "none":
            return Skip()
        case str() if said.startswith(_SEARCH) and said != _SEARCH:
            return NotFound(said.removeprefix(_SEARCH))
    raise ValueError(f"should be {FORMS}, not {said!r}")

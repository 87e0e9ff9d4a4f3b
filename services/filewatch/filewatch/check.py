"""Judge one path by its rule."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import assert_never

from filewatch.findings import Finding, State
from filewatch.rules import Check, DirEmpty, FileEmpty, MaxAge, NotFound, Rule, Skip
from filewatch.search import NotRegularError, TextSearch, TooLargeError
from filewatch.walk import GONE

_COUNTED = 1000
_BROKEN = frozenset({errno.ENOENT, errno.ELOOP})

Verdict = tuple[State, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges paths. `clock` gives seconds since the epoch; `clock_skew` seconds in the future are no fault."""

    clock: Callable[[], float]
    clock_skew: float
    search: TextSearch

    def judge(self, path: str, rule: Rule, *, listed: bool) -> Finding | None:
        """Return how it is; None where a path from a listing (`listed`) is not one of the rule's after all.

        Listings give whatever is there: a rule for files does not mean the directories among them, a rule for
        directories not the files, and what has vanished since is as if it had never been listed.
        """
        if isinstance(rule.check, Skip):
            return Finding(path=path, rule=rule, state=State.SKIPPED)
        try:
            status = os.stat(path)  # noqa: PTH116 - a Path costs more than the call
            if listed and stat.S_ISDIR(status.st_mode) != isinstance(rule.check, DirEmpty):
                return None
            state, detail = self._verdict(path, status, rule.check)
        except OSError as error:
            if error.errno in _BROKEN and os.path.islink(path):  # noqa: PTH114
                state, detail = State.BROKEN_LINK, "leads nowhere" if error.errno == errno.ENOENT else "leads in a loop"
            elif error.errno not in GONE:
                return unreadable(path, rule, error)
            elif listed:
                return None
            else:
                return missing(path, rule)
        return Finding(path=path, rule=rule, state=state, detail=detail)

    def _verdict(self, path: str, status: os.stat_result, check: Check) -> Verdict:
        if wrong := _wrong_kind(status.st_mode, check):
            return State.WRONG_KIND, wrong
        match check:
            case MaxAge():
                return self._age(status, check)
            case DirEmpty():
                return _entries(path)
            case FileEmpty():
                return (State.NOT_EMPTY, f"{status.st_size} bytes") if status.st_size else (State.OK, "empty")
            case NotFound():
                return self._text(path, check)
            case Skip():
                return State.SKIPPED, ""
            case _:
                assert_never(check)

    def _age(self, status: os.stat_result, check: MaxAge) -> Verdict:
        age = self.clock() - status.st_mtime
        if age < -self.clock_skew:
            # It would look young for as long as it takes the clock to get there.
            return State.IN_FUTURE, f"modified {-age:.0f} s from now"
        detail = f"{max(age, 0):.0f} s old"
        return (State.OK, detail) if age <= check.seconds else (State.TOO_OLD, f"{detail}, {check}")

    def _text(self, path: str, check: NotFound) -> Verdict:
        try:
            found = self.search.contains(path, check.text, now=self.clock())
        except NotRegularError:
            return State.WRONG_KIND, "no regular file"
        except TooLargeError:
            return State.TOO_LARGE, "larger than scan.max_read, not searched whole"
        return (State.TEXT_FOUND, f"has the text {check.text!r}") if found else (State.OK, "")


def missing(path: str, rule: Rule) -> Finding:
    """Return the finding for something that is not there."""
    return Finding(path=path, rule=rule, state=State.ABSENT if rule.may_be_missing else State.MISSING)


def unreadable(path: str, rule: Rule, error: OSError) -> Finding:
    """Return the finding for something that cannot be looked at."""
    return Finding(path=path, rule=rule, state=State.UNREADABLE, detail=error.strerror or str(error))


def _wrong_kind(mode: int, check: Check) -> str:
    if isinstance(check, DirEmpty):
        return "" if stat.S_ISDIR(mode) else "no directory"
    if stat.S_ISDIR(mode):
        return "a directory"
    return "" if stat.S_ISREG(mode) else "no regular file"


def _entries(path: str) -> Verdict:
    with os.scandir(path) as listing:
        count = sum(1 for _ in islice(listing, _COUNTED))
    if not count:
        return State.OK, "empty"
    return State.NOT_EMPTY, f"{count}{' or more' if count == _COUNTED else ''} entr{'y' if count == 1 else 'ies'}"

"""Look at everything once: every rule, every file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from filewatch.check import Judge, missing, unreadable
from filewatch.config import ScanConfig
from filewatch.findings import Finding, Scan, State
from filewatch.patterns import NEWEST, Kind
from filewatch.rules import Rule, Skip
from filewatch.search import TextSearch
from filewatch.walk import Report, expand, newest

_TRIES = 5


class Scanner:
    """Scans by the same rules again and again. For one thread; `clock` gives seconds since the epoch."""

    def __init__(self, rules: Sequence[Rule], config: ScanConfig, *, clock: Callable[[], float] = time.time) -> None:
        """Sort the rules by what decides between them."""
        self._clock = clock
        self._max_files = config.max_files
        self._search = TextSearch(max_read=config.max_read)
        self._judge = Judge(clock=clock, clock_skew=config.clock_skew, search=self._search)
        self._exact = {rule.pattern.text: rule for rule in rules if rule.pattern.kind is Kind.EXACT}
        self._exceptions = [rule for rule in rules if rule.pattern.kind is Kind.GLOB and isinstance(rule.check, Skip)]
        self._globs = [rule for rule in rules if rule.pattern.kind is Kind.GLOB and not isinstance(rule.check, Skip)]
        self._newest = [rule for rule in rules if rule.pattern.kind is Kind.NEWEST]

    def scan(self) -> Scan:
        """Look at everything. What a file does meanwhile ends in some state, never in an exception."""
        self._search.next_round()
        began_at, began = self._clock(), time.monotonic()
        found: dict[tuple[str, str], Finding] = {}
        for finding in self._findings():
            if len(found) >= self._max_files:
                stopped = _too_many(finding.rule, self._max_files)
                found[stopped.key] = stopped
                break
            found[finding.key] = finding
        findings = sorted(found.values(), key=lambda finding: (finding.state.good, finding.key))
        return Scan(findings=tuple(findings), began_at=began_at, took=time.monotonic() - began)

    def _findings(self) -> Iterator[Finding]:
        for path, rule in self._exact.items():
            finding = self._judge.judge(path, rule, listed=False)
            if finding is not None:
                yield finding
        for rule in self._globs:
            yield from self._of_glob(rule)
        for rule in self._newest:
            yield from self._of_newest(rule)

    def _of_glob(self, rule: Rule) -> Iterator[Finding]:
        failed: list[Finding] = []
        seen = False
        for path in expand(rule.pattern.parts, lambda at, error: failed.append(unreadable(at, rule, error))):
            if path in self._exact:  # which wins over a glob
                seen = True
                continue
            exception = self._exception(path)
            finding = self._judge.judge(path, exception or rule, listed=True)
            if finding is not None:
                seen = True
                yield finding
        yield from failed
        if not seen and not failed:
            yield missing(rule.pattern.text, rule)

    def _of_newest(self, rule: Rule) -> Iterator[Finding]:
        failed: list[Finding] = []

        def report(path: str, error: OSError) -> None:
            failed.append(unreadable(path, rule, error))

        seen = False
        for directory in expand(rule.pattern.parts, report):
            before = len(failed)
            finding = self._newest_in(directory, rule, report)
            if finding is not None:
                yield finding
            elif len(failed) == before and os.path.isdir(directory or "/"):  # noqa: PTH112 - no Path for each directory
                yield missing(f"{directory}/{NEWEST}", rule)
            else:
                continue
            seen = True
        yield from failed
        if not seen and not failed:
            yield missing(rule.pattern.text, rule)

    def _newest_in(self, directory: str, rule: Rule, report: Report) -> Finding | None:
        finding = None
        for _ in range(_TRIES):
            path, settled = newest(directory, report, skip=self._skipped)
            finding = self._judge.judge(path, rule, listed=True) if path else None
            # A file that was renamed while the directory was read may be in neither place, and an old one look newest.
            if settled and (finding or not path):
                break
        return finding

    def _skipped(self, path: str) -> bool:
        exact = self._exact.get(path)
        return isinstance(exact.check, Skip) if exact else self._exception(path) is not None

    def _exception(self, path: str) -> Rule | None:
        return next((rule for rule in self._exceptions if rule.pattern.matches(path)), None)


def _too_many(rule: Rule, most: int) -> Finding:
    detail = f"more than {most} (scan.max_files), the rest was not looked at"
    return Finding(path=rule.pattern.text, rule=rule, state=State.TOO_MANY, detail=detail)

"""Whether all is ok: the files, and the watching itself."""

from __future__ import annotations

from dataclasses import dataclass

from filewatch.changes import reasons
from filewatch.findings import Scan
from filewatch.monitor import Latest
from filewatch.names import printable

MOST = 20
"""Reasons in an answer; a monitor that reads them sends them on by mail or message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is wrong with the watching itself (`trouble`) and with the files (`bad`), a line each."""

    trouble: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()

    @property
    def fresh(self) -> bool:
        """Whether the result can be relied on."""
        return not self.trouble

    @property
    def reasons(self) -> tuple[str, ...]:
        """All that is wrong, empty if nothing is."""
        return (*self.trouble, *self.bad)

    @property
    def text(self) -> str:
        """`all ok`, or `ERROR` and a line for each reason."""
        if not self.reasons:
            return "all ok\n"
        shown = self.reasons[:MOST]
        rest = len(self.reasons) - len(shown)
        return "\n".join(["ERROR", *shown, *([f"... and {rest} more"] if rest else [])]) + "\n"


def scan_health(scan: Scan) -> Health:
    """Return the health as one scan alone has it."""
    return Health(bad=reasons(scan))


def health(latest: Latest | None, *, now: float, stale_after: float) -> Health:
    """Return the health by the last result; without a fresh one nothing is ok. `now` is of the clock of `Latest`."""
    if latest is None:
        return Health(trouble=("no scan has ended yet",))
    trouble = []
    if latest.failure:
        trouble.append(f"the last scan failed: {printable(latest.failure)}")
    age = now - latest.began
    if age > stale_after:
        trouble.append(f"the last scan began {age:.0f} s ago, more than {stale_after:g} s")
    return Health(trouble=tuple(trouble), bad=latest.reasons)

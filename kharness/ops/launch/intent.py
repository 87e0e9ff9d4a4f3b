"""The intent of people: a container that was stopped by hand stays down until it is started by hand."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from kharness.errors import KharnessError
from kharness.ops.harness import Harness
from kharness.ops.release.ledger import who
from kharness.report.table import time_text

STAYS_DOWN = "stays down: "
"""What the keys of the state's facts about it begin with; an empty value ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaysDown:
    """Who stopped a container, and when, in seconds since the epoch."""

    name: str
    who: str
    at: float

    def __str__(self) -> str:
        return f"stays down: {self.who} stopped it on {time_text(self.at)}; 'kharness up {self.name}' ends that"


def stay_down(harness: Harness, name: str) -> None:
    """Remember that a container was stopped by hand; no command that starts many containers starts it, and no reboot.

    Raises `StateError`.
    """
    harness.state.set_fact(f"{STAYS_DOWN}{name}", json.dumps({"who": who(), "at": time.time()}))


def may_start(harness: Harness, name: str) -> None:
    """Forget it, where it is remembered. Raises `StateError`."""
    if harness.state.fact(f"{STAYS_DOWN}{name}"):
        harness.state.set_fact(f"{STAYS_DOWN}{name}", "")


def why_stays_down(harness: Harness, name: str) -> StaysDown | None:
    """Return the intent, None where there is none or the state cannot be read."""
    try:
        said = harness.state.fact(f"{STAYS_DOWN}{name}")
        found = json.loads(said) if said else None
        return StaysDown(name=name, who=str(found["who"]), at=float(found["at"])) if found else None
    except (KharnessError, KeyError, TypeError, ValueError):
        return None

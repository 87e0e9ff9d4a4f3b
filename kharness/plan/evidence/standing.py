"""Which image production runs, which one is live, and which one the ledger of releases has as the last."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Image ids; empty where there is none."""

    runs: str
    live: str
    recorded: str

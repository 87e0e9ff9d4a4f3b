"""Whether a production container is the one it was, and was not restarted."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.plan.facts import ContainerFacts, short_id

ASIDE, WAITING = ".old", ".new"
"""What is appended to the old container's name until the new one is verified, and to the new one's until it starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which container it is, when it was started (the engine's own text), and how often the engine restarted it."""

    id: str
    started_at: str
    restart_count: int


def identity(facts: ContainerFacts) -> Identity:
    """Return what of an inspected container is compared."""
    return Identity(id=facts.id, started_at=facts.started_at, restart_count=facts.restart_count)


def difference(before: Identity | None, after: Identity | None) -> str:
    """Say what happened to a container, as the end of a sentence that names it; empty when it is as it was."""
    if before == after:
        return ""
    if before is None:
        return "appeared"
    if after is None:
        return "was removed"
    if before.id != after.id:
        return f"was replaced ({short_id(before.id)} -> {short_id(after.id)})"
    if before.restart_count != after.restart_count:
        return f"was restarted by the engine (restarts {before.restart_count} -> {after.restart_count})"
    return f"was restarted (started {before.started_at} -> {after.started_at})"

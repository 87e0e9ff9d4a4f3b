"""What a container does, in words: how its life stands, and what speaks against calling it up.

Whether a production container is the one it was, and was not restarted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kharness.plan.facts import ContainerFacts, short_id
from kharness.plan.text import moment

KILLED = 137
"""What an exit by SIGKILL counts as."""


def state_text(facts: ContainerFacts) -> str:
    """Return what it does, as the end of a sentence that its name begins: `runs`, `exited with 3`."""
    match facts.state:
        case "running":
            return "runs"
        case "created":
            return f"never started{f': {facts.error}' if facts.error else ''}"
        case "exited" if facts.oom_killed:
            return "was killed because it used more memory than mem_limit allows"
        case "exited":
            return f"exited with {facts.exit_code}{f': {facts.error}' if facts.error else ''}"
        case "restarting":
            return f"keeps restarting; it last exited with {facts.exit_code}"
        case state:
            return f"is {state}"


def is_done(facts: ContainerFacts) -> bool:
    """Whether it has ended by itself, and well: as good as ready for a job, and no good for a service."""
    return (facts.state, facts.exit_code, facts.error) == ("exited", 0, "")


def is_finished_job(facts: ContainerFacts) -> bool:
    """Whether it is a job that has ended well, by an inspected container: a service has another restart policy."""
    return facts.restart_policy == "no" and is_done(facts)


def why_stuck(facts: ContainerFacts) -> str:
    """Return why only a person can say what comes next, as the end of a sentence, with the command; else empty.

    A paused container holds its memory and its connections; one that the engine could not remove holds its name.
    """
    match facts.state:
        case "paused":
            return f"is paused; 'docker unpause {facts.name}' lets it go on"
        case "removing" | "dead":
            return f"is {facts.state}, half removed by the engine; 'docker rm -f {facts.name}' removes the rest"
        case _:
            return ""


def why_not_up(facts: ContainerFacts) -> tuple[str, ...]:
    """Return why it is not up, each the end of a sentence; empty means that it is.

    Its health counts where it is known: one that was started just now is not asked for it before the first interval.
    """
    return tuple(_why_not_up(facts))


def _why_not_up(facts: ContainerFacts) -> Iterator[str]:
    if facts.state != "running":
        yield why_stuck(facts) or state_text(facts)
    elif facts.health == "unhealthy":
        yield "runs, and is unhealthy"


def seconds_up(facts: ContainerFacts, *, now: float) -> float | None:
    """Return how long it has run, `now` in seconds since the epoch; None where it does not, or the engine does not say.

    Clocks differ: it is never less than 0.
    """
    if not facts.running:
        return None
    started = moment(facts.started_at)
    return None if started is None else max(0.0, now - started.timestamp())


ASIDE, WAITING = ".old", ".new"
"""What is appended to the old container's name until the new one is verified, and to the new one's until it starts."""
LATELY = 600.0
"""Seconds since the engine's last restart of a container, within which it counts as one that keeps crashing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which container it is, when it was started (the engine's own text), and how often the engine restarted it."""

    id: str
    started_at: str
    restart_count: int


def identity(facts: ContainerFacts) -> Identity:
    """Return what of an inspected container is compared."""
    return Identity(id=facts.id, started_at=facts.started_at, restart_count=facts.restart_count)


def keeps_crashing(facts: ContainerFacts, *, now: float) -> bool:
    """Whether the engine restarts it by itself, for what it does: it has done so lately, or is about to.

    `now` is seconds since the epoch by the engine's clock. A restart by a person begins to count at 0.
    """
    if facts.state == "restarting":
        return True
    seconds = seconds_up(facts, now=now)
    return facts.restart_count > 0 and seconds is not None and seconds <= LATELY


def crashed_again(before: Identity | None, after: Identity | None) -> bool:
    """Whether the only difference is that the engine restarted the same container."""
    if before is None or after is None:
        return False
    return before.id == after.id and after.restart_count > before.restart_count


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

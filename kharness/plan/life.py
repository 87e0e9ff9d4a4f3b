"""What a container does, in words: how its life stands, and what speaks against calling it up."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.facts import ContainerFacts
from kharness.plan.times import moment

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


def why_not_up(facts: ContainerFacts) -> tuple[str, ...]:
    """Return why it is not up, each the end of a sentence; empty means that it is.

    Its health counts where it is known: one that was started just now is not asked for it before the first interval.
    """
    return tuple(_why_not_up(facts))


def _why_not_up(facts: ContainerFacts) -> Iterator[str]:
    if facts.state != "running":
        yield state_text(facts)
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

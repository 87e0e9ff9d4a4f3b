"""How a container's life stands, in words."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.life import seconds_up, state_text, why_not_up


def facts(**said: Any) -> ContainerFacts:
    return ContainerFacts(id="1", name="web", image_id="sha256:1", **said)


@pytest.mark.parametrize(
    ("said", "text", "reasons"),
    [
        ({"state": "running"}, "runs", ()),
        ({"state": "running", "health": "healthy"}, "runs", ()),
        ({"state": "running", "health": "starting"}, "runs", ()),
        ({"state": "running", "health": "unhealthy"}, "runs", ("runs, and is unhealthy",)),
        ({"state": "paused"}, "is paused", ("is paused; 'docker unpause web' lets it go on",)),
        ({"state": "exited", "exit_code": 3}, "exited with 3", ("exited with 3",)),
        ({"state": "exited", "exit_code": 127, "error": "no sh"}, "exited with 127: no sh", None),
        (
            {"state": "exited", "exit_code": 137, "oom_killed": True},
            "was killed because it used more memory than mem_limit allows",
            None,
        ),
        ({"state": "restarting", "exit_code": 1}, "keeps restarting; it last exited with 1", None),
        ({"state": "created"}, "never started", None),
        ({"state": "created", "error": "port in use"}, "never started: port in use", None),
        (
            {"state": "dead"},
            "is dead",
            ("is dead, half removed by the engine; 'docker rm -f web' removes the rest",),
        ),
    ],
)
def test_states_in_words(said: dict[str, Any], text: str, reasons: tuple[str, ...] | None) -> None:
    assert state_text(facts(**said)) == text
    assert why_not_up(facts(**said)) == ((text,) if reasons is None else reasons)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"state": "running", "started_at": "1970-01-01T00:01:40.123456789Z"}, 99.876544),
        ({"state": "paused", "started_at": "1970-01-01T01:01:40+01:00"}, 100),
        ({"state": "running", "started_at": "1970-01-01T00:10:00Z"}, 0),
        ({"state": "exited", "started_at": "1970-01-01T00:01:40Z"}, None),
        ({"state": "running", "started_at": ""}, None),
        ({"state": "running", "started_at": "1970-01-01T00:01:40"}, None),
    ],
)
def test_how_long_it_is_up(said: dict[str, Any], expected: float | None) -> None:
    assert seconds_up(facts(**said), now=200) == (None if expected is None else pytest.approx(expected))

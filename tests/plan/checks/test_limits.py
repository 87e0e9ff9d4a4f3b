"""Health checks that cannot fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kharness.plan.facts import HealthFacts
from tests.plan.checks.given import GOOD, found


@pytest.mark.parametrize(
    "test",
    [
        ("CMD", "true"),
        ("CMD", "/bin/true"),
        ("CMD-SHELL", ":"),
        ("CMD-SHELL", "echo ok"),
        ("CMD", "sh", "-c", "exit 0"),
        ("CMD-SHELL", "curl http://localhost || true"),
        ("CMD-SHELL", "curl http://localhost || exit 0"),
        ("CMD-SHELL", "curl http://localhost; exit 0"),
        ("CMD-SHELL", "curl http://localhost || true;"),
        ("CMD-SHELL", "sh -c 'exit 0'"),
        ("CMD-SHELL", ""),
    ],
)
def test_a_health_check_that_cannot_fail_is_found(test: tuple[str, ...]) -> None:
    assert found("KH115", replace(GOOD, health=HealthFacts(test=test)))


@pytest.mark.parametrize(
    "test",
    [
        ("CMD-SHELL", "curl -f http://localhost || exit 1"),
        ("CMD", "pg_isready"),
        ("CMD-SHELL", "test -e /ready"),
        ("CMD", "/app/truecheck"),
        ("CMD-SHELL", "echo > /dev/tcp/127.0.0.1/80"),
        ("CMD-SHELL", "echo PING | nc localhost 1 | grep -q PONG"),
    ],
)
def test_a_health_check_that_can_fail_is_accepted(test: tuple[str, ...]) -> None:
    assert found("KH115", replace(GOOD, health=HealthFacts(test=test))) == []

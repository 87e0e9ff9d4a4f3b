"""Evidence that no check finds fault with, and how the tests of checks ask a check."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kharness.plan.checks.catalog import BY_ID
from kharness.plan.checks.content import Content
from kharness.plan.checks.image import ImageStory
from kharness.plan.checks.launch import Launch
from kharness.plan.checks.production import LiveImage
from kharness.plan.checks.running import Running
from kharness.plan.facts import HealthFacts, ImageFacts, PortRef
from kharness.settings.policy import Policy

GOOD = Launch(
    user="1000:1000",
    cap_drop=frozenset({"ALL"}),
    security_opt=("no-new-privileges:true",),
    read_only=True,
    memory=1 << 28,
    cpus=1.0,
    pids=100,
    restart="on-failure",
    retries=5,
    health=HealthFacts(test=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/")),
    log_driver="local",
)
PORT = PortRef(80)
RUNS = Running(programs=frozenset({"web"}), started="web", listening=frozenset({PORT}), exposed=frozenset({PORT}))
BUILT = datetime(2026, 3, 1, tzinfo=UTC)
STORY = ImageStory(image=ImageFacts(id="sha256:1", environment=("PATH=/bin",)), history=("COPY files/ /",))
CONTENT = Content(files=9, passwd="web:x:1000:1000::/:/sbin/nologin\n")
LIVE_IMAGE = LiveImage(runs="sha256:a", live="sha256:a", recorded="sha256:a")


def found(identifier: str, evidence: Any, policy: Policy | None = None) -> list[str]:
    check = BY_ID[identifier]
    assert isinstance(evidence, check.part)
    return list(check.judge(evidence, policy or Policy()))

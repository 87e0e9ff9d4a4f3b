"""How a launch plan decides by what readiness is seen."""

from __future__ import annotations

import pytest

from kharness.plan.facts import HealthFacts, ImageFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.readiness import (
    ByHealth,
    ByPorts,
    ByRunning,
    ReadyCheck,
    effective_health,
    exposed_ports,
    hints,
    plan_readiness,
    plan_test_readiness,
)
from tests.plan.made import health, image, ports, settings

CURL = health("CMD", "curl", "x", interval=5.0, timeout=2.0, start_period=7.0, retries=4)
SHELL = health("CMD-SHELL", "curl x || exit 1")
NONE = health("NONE")


@pytest.mark.parametrize(
    ("text", "of", "check"),
    [
        ("", image(), ByRunning()),
        ("", image(health=CURL), ByHealth(("curl", "x"), 2.0, retries=4)),
        ("", image(health=SHELL), ByHealth(("/bin/sh", "-c", "curl x || exit 1"), 30.0)),
        ("", image(health=NONE), ByRunning()),
        ("", image(health=NONE, exposed=ports("80")), ByPorts(ports("80"))),
        ("", image(exposed=ports("80", "53/udp")), ByPorts(ports("80"))),
        ("", image(exposed=ports("53/udp")), ByRunning()),
        ("expose: [8080]", image(exposed=ports("80")), ByPorts(ports("8080", "80"))),
        ("ports: [8000:80]", image(), ByPorts(ports("80"))),
        ("healthcheck: {test: [CMD, ok]}", image(health=CURL), ByHealth(("ok",), 2.0, retries=4)),
        ("healthcheck: {timeout: 9s}", image(health=CURL), ByHealth(("curl", "x"), 9.0, retries=4)),
        ("healthcheck: {timeout: 9s}", image(), ByRunning()),
        ("healthcheck: {disable: true}", image(health=CURL, exposed=ports("80")), ByPorts(ports("80"))),
        ("healthcheck: {test: [NONE]}", image(health=CURL), ByRunning()),
        ("restart: unless-stopped", image(exposed=ports("80")), ByPorts(ports("80"))),
        ('restart: "no"', image(exposed=ports("80")), ByRunning(may_exit=True)),
        ('restart: "no"', image(health=CURL), ByHealth(("curl", "x"), 2.0, may_exit=True, retries=4)),
    ],
)
def test_the_check_that_says_most_is_chosen(text: str, of: ImageFacts, check: ReadyCheck) -> None:
    assert plan_readiness(settings(text), of) == check


@pytest.mark.parametrize(
    ("text", "of", "found"),
    [
        ("", image(), None),
        ("", image(health=CURL), CURL),
        ("healthcheck: {test: ok}", image(), health("CMD-SHELL", "ok")),
        (
            "healthcheck: {test: [CMD, ok], retries: 1}",
            image(health=CURL),
            health("CMD", "ok", interval=5.0, timeout=2.0, start_period=7.0, retries=1),
        ),
        (
            "healthcheck: {interval: 1m, start_period: 0s}",
            image(health=CURL),
            health("CMD", "curl", "x", interval=60.0, timeout=2.0, start_period=0.0, retries=4),
        ),
        ("healthcheck: {interval: 1m}", image(health=NONE), None),
        ("healthcheck: {disable: true, interval: 1m}", image(health=CURL), None),
    ],
)
def test_what_the_settings_leave_out_of_a_health_check_is_the_image_s(
    text: str, of: ImageFacts, found: HealthFacts | None
) -> None:
    assert effective_health(settings(text).healthcheck, of) == found


def test_each_exposed_port_is_named_once_the_settings_first() -> None:
    said = settings("ports: [8000:80, 53:53/udp]\nexpose: [443, 80]")
    assert exposed_ports(said, image(exposed=ports("80", "22"))) == ports("80", "53/udp", "443", "22")
    assert exposed_ports(said, image(), protocol="udp") == ports("53/udp")


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("ports: [8000:80]", ByPorts(ports("80"))),
        ("ports: [8000:80]\ntest: {ports: [8081]}", ByPorts(ports("8081"))),
        ("ports: [8000:80]\nexpose: [1]\ntest: {expose: [2]}", ByPorts(ports("80", "2"))),
        ("healthcheck: {test: [CMD, a]}\ntest: {healthcheck: {test: [CMD, b]}}", ByHealth(("b",))),
        ("healthcheck: {test: [CMD, a]}\ntest: {healthcheck: {disable: true}}", ByRunning()),
        ('restart: always\ntest: {restart: "no"}', ByRunning(may_exit=True)),
        ('restart: "no"', ByRunning(may_exit=True)),
    ],
)
def test_a_test_instance_is_ready_when_it_listens_where_production_does_unless_test_says_otherwise(
    text: str, check: ReadyCheck
) -> None:
    assert plan_test_readiness(settings(text), image()) == check


def test_a_hint_names_the_default_and_the_key_that_relaxes_it() -> None:
    spec = RunSpec(name="web", image="web", read_only=True, cap_drop=("ALL",), pids_limit=512)
    (hint,) = hints("mkdir: can't create '/var/x': Read-only file system", spec)
    assert "read_only: false" in hint
    (hint,) = hints("chown: Operation not permitted", spec)
    assert "cap_add" in hint
    assert hints("segmentation fault", spec) == ()
    assert hints("Read-only file system", RunSpec(name="web", image="web")) == ()

"""How it is seen that a container is ready: its health command, else its ports, else that it runs."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.plan.facts import HealthFacts, ImageFacts, PortRef
from kharness.settings.health import Healthcheck
from kharness.settings.model import Settings
from kharness.settings.overlay import for_test

DEFAULT_PROBE_TIMEOUT = 30.0
"""Seconds; Docker's own default for HEALTHCHECK --timeout."""


@dataclass(frozen=True, slots=True)
class ByHealth:
    """Ready when the command exits with 0; `may_exit`: also when the container itself has."""

    argv: tuple[str, ...]
    timeout: float = DEFAULT_PROBE_TIMEOUT
    may_exit: bool = False


@dataclass(frozen=True, slots=True)
class ByPorts:
    """Ready when all these TCP ports listen inside the container. One that may exit is not waited for in this way."""

    ports: tuple[PortRef, ...]

    @property
    def may_exit(self) -> bool:
        """Whether an exit with 0 counts as ready."""
        return False


@dataclass(frozen=True, slots=True)
class ByRunning:
    """Ready when it has run for a moment; `may_exit`: also when it has exited with 0."""

    may_exit: bool = False


ReadyCheck = ByHealth | ByPorts | ByRunning


def effective_health(said: Healthcheck | None, image: ImageFacts) -> HealthFacts | None:
    """Merge the settings' health check over the image's; None where there is none or it is disabled."""
    if said is None:
        return None if image.health is None or image.health.test == ("NONE",) else image.health
    if said.disable or said.test == ("NONE",):
        return None
    base = image.health
    test = said.test or (base.test if base else None)
    if test is None or test == ("NONE",):
        return None

    def pick(name: str) -> float | None:
        value: float | None = getattr(said, name)
        return value if value is not None or base is None else getattr(base, name)

    retries = pick("retries")
    return HealthFacts(
        test=test,
        interval=pick("interval"),
        timeout=pick("timeout"),
        start_period=pick("start_period"),
        retries=None if retries is None else int(retries),
    )


def probe_argv(health: HealthFacts) -> tuple[str, ...]:
    """Return the command of a health check that is not switched off."""
    return health.test[1:] if health.test[0] == "CMD" else ("/bin/sh", "-c", health.test[1])


def plan_readiness(settings: Settings, image: ImageFacts) -> ReadyCheck:
    """Choose the check that says most."""
    exits = settings.may_end
    health = effective_health(settings.healthcheck, image)
    if health is not None:
        return ByHealth(probe_argv(health), health.timeout or DEFAULT_PROBE_TIMEOUT, may_exit=exits)
    ports = exposed_ports(settings, image, protocol="tcp")
    if ports and not exits:
        return ByPorts(ports)
    return ByRunning(may_exit=exits)


def plan_test_readiness(settings: Settings, image: ImageFacts) -> ReadyCheck:
    """Choose the check for a test instance, given production's settings.

    It publishes nothing, but what production publishes is what it listens on.
    """
    test = for_test(settings)
    ports = test.ports if "ports" in settings.test.model_fields_set else settings.ports
    return plan_readiness(test.model_copy(update={"ports": ports}), image)


def exposed_ports(settings: Settings, image: ImageFacts, *, protocol: str | None = None) -> tuple[PortRef, ...]:
    """All ports that image and settings name, each once, the settings' first."""
    found = [PortRef(port.target, port.protocol) for port in settings.ports]
    found += [PortRef(port.port, port.protocol) for port in settings.expose]
    found += image.exposed
    unique = dict.fromkeys(found)
    return tuple(port for port in unique if protocol in {None, port.protocol})

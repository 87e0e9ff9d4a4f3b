"""When a container is ready: by its health command, else by its ports, else when it runs.

With it the hints for starts that a secure default typically breaks, and the conditions of `depends_on`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kharness.plan.facts import ContainerFacts, HealthFacts, ImageFacts, PortRef
from kharness.plan.launch.life import state_text, why_not_up
from kharness.plan.launch.mounts import VolumeAction, VolumePlan
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.modes import Mode
from kharness.settings.layers import for_test
from kharness.settings.model import Settings
from kharness.settings.process import Healthcheck

DEFAULT_PROBE_TIMEOUT = 30.0
"""Seconds; Docker's own default for HEALTHCHECK --timeout."""
DEFAULT_RETRIES = 3
"""Docker's own default for HEALTHCHECK --retries."""


@dataclass(frozen=True, slots=True)
class ByHealth:
    """Ready when the command exits with 0; `may_exit`: also when the container itself has.

    One that was ready is unhealthy when the command has failed `retries` times in a row.
    """

    argv: tuple[str, ...]
    timeout: float = DEFAULT_PROBE_TIMEOUT
    may_exit: bool = False
    retries: int = DEFAULT_RETRIES


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
        # The engine takes the image's by itself.
        start_interval=said.start_interval,
        retries=None if retries is None else int(retries),
    )


def probe_argv(health: HealthFacts) -> tuple[str, ...]:
    """Return the command of a health check that is not switched off."""
    return health.test[1:] if health.test[0] == "CMD" else ("/bin/sh", "-c", health.test[1])


def by_health(health: HealthFacts, *, may_exit: bool = False) -> ByHealth:
    """Return the check that a health check of an image or a container is."""
    return ByHealth(
        probe_argv(health),
        health.timeout or DEFAULT_PROBE_TIMEOUT,
        may_exit=may_exit,
        retries=health.retries or DEFAULT_RETRIES,
    )


def plan_readiness(settings: Settings, image: ImageFacts) -> ReadyCheck:
    """Choose the check that says most."""
    exits = settings.may_end
    health = effective_health(settings.healthcheck, image)
    if health is not None:
        return by_health(health, may_exit=exits)
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


def hints(logs: str, spec: RunSpec) -> tuple[str, ...]:
    """Return advice that fits both the messages and what the container was denied."""
    text = logs.lower()
    found = []
    if spec.read_only and "read-only file system" in text:
        found.append(
            "the root file system is read-only (the default): add the path to 'tmpfs' or 'volumes', "
            "or say 'read_only: false'"
        )
    if "ALL" in spec.cap_drop and ("operation not permitted" in text or "permission denied" in text):
        found.append(
            "all capabilities are dropped (the default): name what is needed in 'cap_add', for example "
            "[CHOWN, SETUID, SETGID], or say 'cap_drop: []'"
        )
    if spec.pids_limit and ("resource temporarily unavailable" in text or "can't start new thread" in text):
        found.append(f"at most {spec.pids_limit} processes are allowed: raise 'pids_limit'")
    return tuple(found)


def volume_hints(volumes: Iterable[VolumePlan], *, mode: Mode) -> tuple[str, ...]:
    """Return advice where a stand-alone instance may miss what its volumes have in production."""
    empty = [volume.mount.target for volume in volumes if volume.action is VolumeAction.EMPTY and not volume.said]
    if mode is not Mode.STANDALONE or not empty:
        return ()
    return (f"in a stand-alone test {', '.join(empty)} is empty; --prod-ready tests with copies of the real volumes",)


STARTED, HEALTHY, COMPLETED = "service_started", "service_healthy", "service_completed_successfully"


def why_unmet(condition: str, found: ContainerFacts | None, *, may_end: bool) -> str:
    """Return why a dependency does not meet its condition, as the end of a sentence; empty where it does.

    `may_end` says that the dependency is a job, whose end with 0 is as good as that it runs. A health check that has
    not been answered yet counts for neither: the caller asks it.
    """
    if found is None:
        return "has no container"
    done = found.state == "exited" and found.exit_code == 0
    if condition == COMPLETED:
        return "" if done else f"{state_text(found)}, and should have exited with 0"
    if condition == HEALTHY and found.health_check is None:
        return "has no health check, and 'service_healthy' asks for one"
    if done and may_end and condition == STARTED:
        return ""
    reasons = why_not_up(found)
    if condition == STARTED and found.state == "running":
        # An unhealthy one is started all the same.
        return ""
    return "; ".join(reasons)

"""Checks of how a launch limits and supervises a container: memory, processors, restarts, health, logs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kharness.plan.checks.check import CIS, check
from kharness.plan.checks.launch import Launch
from kharness.settings.policy import Policy

ALWAYS = re.compile(r"(?:/?\S*/)?(?:true|:|echo\b[^|&;>]*|exit\s+0|sleep\s+\S+|test\s+1)\s*", re.DOTALL)
"""Commands that cannot fail."""
DEFAULT_DRIVER = "json-file"
"""The log driver of an engine whose configuration names none."""


@check(
    "KH110",
    "has a memory limit",
    Launch,
    reason=(
        "Without a limit it may use all memory of the host, and then the kernel kills any process it chooses, "
        "another container's or the engine."
    ),
    mend="mem_limit: 256m",
    source=CIS + "5.10",
)
def memory_limit(launch: Launch, _policy: Policy) -> Iterator[str]:
    if not launch.memory:
        yield "mem_limit is not set"


@check(
    "KH111",
    "has a limit on processors",
    Launch,
    reason="Without a limit, a loop in one service takes every processor that the others need.",
    mend="cpus: 1",
    source=CIS + "5.11",
)
def cpu_limit(launch: Launch, _policy: Policy) -> Iterator[str]:
    if not launch.cpus:
        yield "cpus is not set"


@check(
    "KH112",
    "has a limit on processes",
    Launch,
    reason="Process numbers are the host's: a fork bomb takes them from every other program.",
    mend="pids_limit: 100",
    source=CIS + "5.28",
)
def pids_limit(launch: Launch, _policy: Policy) -> Iterator[str]:
    if not launch.pids:
        yield "pids_limit is not set"


@check(
    "KH113",
    "has a restart policy that ends",
    Launch,
    reason=(
        "A stopped service should stay stopped, also after a reboot, and a service that fails at every start should "
        "give up at some time, or come back with the host. unless-stopped, the default, does the first: it restarts "
        "until it is stopped, and 'kharness status' counts its restarts."
    ),
    mend=(
        "remove restart (the default is unless-stopped), or restart: on-failure:5; after a reboot 'kharness up-all' "
        "starts the latter, which 'kharness service install' sets up"
    ),
    source=CIS + "5.14, which asks for on-failure:5",
)
def restart_policy(launch: Launch, _policy: Policy) -> Iterator[str]:
    if launch.restart == "always":
        yield "restart is always: the engine's next start also starts a container that was stopped"
    elif launch.restart == "on-failure" and not launch.retries:
        yield "restart is on-failure without a number"


@check(
    "KH115",
    "has a health check that can fail",
    Launch,
    reason=(
        "Without a health check the engine sees only a process: a launch has less evidence, and a service that hangs "
        "is never found."
    ),
    mend="HEALTHCHECK in the Dockerfile, or healthcheck: {test: ...}, that queries the service itself",
    source=CIS + "4.6 and 5.26",
)
def health_check(launch: Launch, _policy: Policy) -> Iterator[str]:
    if launch.health is None:
        yield "neither image nor settings have a health check"
    elif _cannot_fail(launch.health.test):
        yield f"its health check cannot fail: {' '.join(launch.health.test[1:])}"


def _cannot_fail(test: tuple[str, ...]) -> bool:
    command = " ".join(test[1:]).strip()
    shell = re.fullmatch(r"(?:/?\S*/)?(?:ba|da|a)?sh\s+-c\s+(.*)", command, re.DOTALL)
    command = shell[1].strip().strip("\"'") if shell else command
    # The last command decides, and so does the fallback after `||`.
    last = re.split(r"\|\||;", command.rstrip("; \n"))[-1].strip()
    return not command or ALWAYS.fullmatch(last) is not None


@check(
    "KH116",
    "limits the size of its log",
    Launch,
    reason="The engine's default log has no limit, and fills the disk that all containers share.",
    mend="logging: {driver: local}, or max-size and max-file in the options of json-file",
    source="docs.docker.com, Configure logging drivers: json-file keeps everything unless max-size is set",
    gates=False,
)
def log_size(launch: Launch, _policy: Policy) -> Iterator[str]:
    if (launch.log_driver or DEFAULT_DRIVER) == DEFAULT_DRIVER and not launch.log_options.get("max-size"):
        yield (
            "its log is a json-file without max-size"
            if launch.log_driver
            else "logging is not set, and the engine's default log has no limit"
        )

"""Wait until a container is ready, without waiting for Docker's health interval."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import assert_never

from kharness.engine.api import Engine
from kharness.errors import EngineError, LaunchError
from kharness.host.sockets import in_use
from kharness.ops.listening import listening
from kharness.ops.waiting import NotYetError, pauses
from kharness.plan.facts import ContainerFacts
from kharness.plan.hints import hints
from kharness.plan.readiness import ByHealth, ByPorts, ByRunning, ReadyCheck
from kharness.plan.runspec import RunSpec

TAIL = 20
"""Log lines that an error ends with."""
CANNOT_RUN = {126, 127}
"""What a shell, and the engine, answer for a command that is not executable or not there."""
GIVE_UP_AFTER, HOPELESS = 3, 2.0
"""So many answers of that kind, and nothing else for so many seconds, are no coincidence: an entry point may still be
unpacking the command."""
SHORTEST_PROBE = 0.1
"""Seconds that a health command gets even when time is up."""
STEADY, SETTLED = 0.5, 1.0
"""Seconds after which a container that nothing else can be asked is taken for one that runs: it may have started only
to fail at once. One that may exit gets longer.
"""
GLANCE = 0.01
"""Seconds between two glances at the sockets: when they change, the next look comes at once."""


class NeverError(Exception):
    """The check can never say yes; the text says why."""


def wait_ready(
    engine: Engine,
    container: str,
    check: ReadyCheck,
    *,
    spec: RunSpec,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Return the seconds it took. Raises `LaunchError`, with the last log lines, when it exits or time runs out."""
    began = clock()
    probe = _Probe(engine, container, check)
    for pause in pauses():
        facts = engine.container(container)
        if facts is None:
            raise LaunchError(f"{spec.name}: the container was removed while it started")
        if not facts.running and facts.state != "created":
            if check.may_exit and facts.state == "exited" and facts.exit_code == 0:
                return clock() - began
            raise failure(engine, facts, spec, _exit_text(facts))
        took = clock() - began
        settled = SETTLED if check.may_exit else STEADY
        if facts.running and isinstance(check, ByRunning) and took >= min(settled, timeout):
            return took
        sockets = in_use(facts.pid) if facts.pid and engine.facts().local else None
        try:
            probe.look(facts, now=took, left=timeout - took)
        except NeverError as seen:
            raise failure(engine, facts, spec, f"can never be ready: {seen}") from seen
        except NotYetError as seen:
            left = timeout - (clock() - began)
            if left <= 0:
                raise failure(engine, facts, spec, f"was not ready after {timeout:g} s: {seen}") from seen
            _rest(min(pause, left), pid=facts.pid, sockets=sockets, clock=clock, sleep=sleep)
        else:
            return clock() - began
    raise AssertionError("the pauses do not end")


def failure(engine: Engine, facts: ContainerFacts, spec: RunSpec, reason: str) -> LaunchError:
    """Say why a container is not fit, with its last log lines and the settings that may be the cause."""
    logs = ""
    with suppress(EngineError):
        logs = engine.logs(facts.id, tail=TAIL).rstrip()
    lines = [f"{spec.name}: {reason}"]
    lines += [f"    | {line}" for line in logs.splitlines()] or ["    (it printed nothing)"]
    lines += [f"    hint: {hint}" for hint in hints(logs + facts.error, spec)]
    return LaunchError("\n".join(lines))


class _Probe:
    """One kind of check against one container."""

    def __init__(self, engine: Engine, container: str, check: ReadyCheck) -> None:
        self._engine = engine
        self._container = container
        self._check = check
        self._cannot_run: list[float] = []

    def look(self, facts: ContainerFacts, *, now: float, left: float) -> None:
        """Return when ready; raises `NotYetError` or `NeverError`. `now` and `left` are seconds of the wait."""
        match self._check:
            case ByHealth():
                self._health(self._check, now=now, left=left)
            case ByPorts():
                open_ports = listening(self._engine, facts)
                missing = [str(port) for port in self._check.ports if port.number not in open_ports]
                if missing:
                    raise NotYetError(f"nothing listens on {', '.join(missing)} inside the container")
            case ByRunning():
                raise NotYetError(f"its state is {facts.state}")
            case _:
                assert_never(self._check)

    def _health(self, check: ByHealth, *, now: float, left: float) -> None:
        timeout = min(check.timeout, max(left, SHORTEST_PROBE))
        try:
            result = self._engine.exec(self._container, check.argv, timeout=timeout)
        except (TimeoutError, EngineError) as error:
            raise NotYetError(f"its health command did not answer: {error}") from error
        if result.ok:
            return
        said = (result.stdout + result.stderr).strip().replace("\n", " / ")[-300:]
        text = f"its health command {' '.join(check.argv)!r} exits with {result.exit_code}: {said or 'no output'}"
        if result.exit_code not in CANNOT_RUN:
            self._cannot_run.clear()
            raise NotYetError(text)
        self._cannot_run.append(now)
        if len(self._cannot_run) >= GIVE_UP_AFTER and now - self._cannot_run[0] >= HOPELESS:
            raise NeverError(f"{text}; it cannot run in this image")
        raise NotYetError(text)


def _rest(
    seconds: float,
    *,
    pid: int,
    sockets: dict[str, int] | None,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    # It ends early when a service begins to listen, and when the container's process has gone.
    if sockets is None:
        sleep(seconds)
        return
    until = clock() + seconds
    while in_use(pid) == sockets and (left := until - clock()) > 0:
        sleep(min(GLANCE, left))


def _exit_text(facts: ContainerFacts) -> str:
    if facts.oom_killed:
        return "was killed because it used more memory than mem_limit allows"
    if facts.state == "restarting":
        return f"keeps restarting; it last exited with {facts.exit_code}"
    return f"exited with {facts.exit_code} instead of becoming ready{': ' + facts.error if facts.error else ''}"

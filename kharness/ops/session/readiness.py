"""Whether a container is ready, and well: by its health check, executed here and now, its ports, or its state.

The engine's own verdict may be minutes old; readiness is waited for without Docker's health interval.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import assert_never

from kharness.engine.api import Engine
from kharness.errors import EngineError, LaunchError
from kharness.host.machine.kernel import in_use
from kharness.ops.harness import Harness
from kharness.ops.image.hardening import taken_from
from kharness.ops.session.causes import Taken, causes, nothing_taken
from kharness.plan.facts import ContainerFacts
from kharness.plan.host import LISTEN, UNCONNECTED, listening_ports
from kharness.plan.launch.life import is_done, why_not_up, why_stuck
from kharness.plan.launch.plan import LaunchPlan
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.readiness import ByHealth, ByPorts, ByRunning, ReadyCheck, by_health, hints
from kharness.plan.text import READ, last_lines

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.25
"""Seconds between two looks; the pause grows by a tenth each time."""


class NotYetError(Exception):
    """The look says no; the text says what it saw."""


def pauses() -> Iterator[float]:
    """Yield the seconds between the looks, without an end."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.1, LONGEST_PAUSE)


TABLES = {"tcp": (("tcp", "tcp6"), LISTEN), "udp": (("udp", "udp6"), UNCONNECTED)}


def listening(engine: Engine, facts: ContainerFacts, *, protocol: str = "tcp") -> frozenset[int]:
    """Return the ports that it listens on for others; `NotYetError` where they cannot be listed.

    Among those of UDP are those that it asks others from.
    """
    names, state = TABLES[protocol]
    return listening_ports(_tables(engine, facts, names), state=state)


def _tables(engine: Engine, facts: ContainerFacts, names: tuple[str, ...]) -> list[str]:
    # The host's own view costs a thousandth of an exec and works in images without `cat`.
    if engine.facts().local and facts.pid:
        with suppress(OSError):
            return [Path(f"/proc/{facts.pid}/net/{name}").read_text() for name in names]
    try:
        answers = [engine.exec(facts.id, ("cat", f"/proc/net/{name}")) for name in names]
    except EngineError as error:
        raise NotYetError(f"its sockets cannot be listed: {error}") from error
    if not answers[0].ok:
        raise NotYetError(f"its sockets cannot be listed: {answers[0].stderr.strip() or 'cat does not run in it'}")
    return [answer.stdout for answer in answers]


AGAIN = 0.5
"""Seconds between a failed health check and the next try."""
SAID = 300
"""Characters of a health check's output that a text has, its last ones."""


class HealthCheckError(Exception):
    """A health check that failed, with the reason; `exit_code` is None where it did not answer."""

    def __init__(self, text: str, *, exit_code: int | None = None) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def check_health(engine: Engine, container: str, check: ByHealth, *, timeout: float | None = None) -> None:
    """Execute a health check once; `timeout` in seconds may be shorter than its own. Raises `HealthCheckError`."""
    try:
        result = engine.exec(container, check.argv, timeout=min(check.timeout, timeout or check.timeout))
    except (TimeoutError, EngineError) as error:
        raise HealthCheckError(f"its health command did not answer: {error}") from error
    if not result.ok:
        said = (result.stdout + result.stderr).strip().replace("\n", " / ")[-SAID:]
        text = f"its health command {' '.join(check.argv)!r} exits with {result.exit_code}: {said or 'no output'}"
        raise HealthCheckError(text, exit_code=result.exit_code)


def why_not_well(engine: Engine, container: str, check: ReadyCheck) -> str:
    """Return why a container that was ready is not well any more, as the end of a sentence; empty where it is.

    A job that has ended with 0 is. Raises `EngineError`.
    """
    found = engine.container(container)
    if found is None:
        return "was removed"
    if check.may_exit and is_done(found):
        return ""
    if reasons := why_not_up(found):
        return "; ".join(reasons)
    why = why_ill(engine, container, check) if isinstance(check, ByHealth) else ""
    return f"is unhealthy: {why}" if why else ""


def probed(engine: Engine, found: ContainerFacts) -> Iterator[str]:
    """Yield what the health check of a running container says against it, by running the check now.

    The engine asks when an interval is over, and changes its mind after some failures: it may take minutes.
    """
    if found.health_check is not None and (why := why_ill(engine, found.id, by_health(found.health_check))):
        yield f"runs, and {why}"


def why_ill(engine: Engine, container: str, check: ByHealth, *, sleep: Callable[[float], None] = time.sleep) -> str:
    """Return why a container is unhealthy now, empty where it is not.

    As for the engine, a health check has failed when it failed as often in a row as its `retries` say.
    """
    text = ""
    for number in range(check.retries):
        if number:
            sleep(AGAIN)
        try:
            check_health(engine, container, check)
        except HealthCheckError as error:
            text = str(error)
        else:
            return ""
    return text


TAIL = 20
"""Log lines that an error ends with."""
CANNOT_RUN = {126, 127}
"""What a shell, and the engine, answer for a command that is not executable or not there."""
GIVE_UP_AFTER, HOPELESS = 3, 2.0
"""So many answers of that kind, and nothing else for so many seconds, are no coincidence: an entry point may still be
unpacking the command."""
SHORTEST_PROBE = 0.1
"""Seconds that a health command gets even when time is up."""
SHORT_PROBE = 1.0
"""Seconds in which a health command that answered before may not answer."""
STEADY, SETTLED = 0.5, 1.0
"""Seconds after which a container that nothing else can be asked is taken for one that runs: it may have started only
to fail at once. One that may exit gets longer.
"""
GLANCE = 0.01
"""Seconds between two glances at the sockets: when they change, the next look comes at once."""


class NeverError(Exception):
    """The check can never say yes; the text says why."""


def wait_production(harness: Harness, container: str, plan: LaunchPlan) -> float:
    """Wait until a production container is ready, for as long as the host's configuration allows.

    Returns the seconds that it took; raises what `wait_ready` does.
    """
    return wait_ready(
        harness.engine,
        container,
        plan.ready,
        spec=plan.spec,
        timeout=harness.host.ready_timeout,
        taken=taken_from(harness),
    )


def wait_ready(
    engine: Engine,
    container: str,
    check: ReadyCheck,
    *,
    spec: RunSpec,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    taken: Taken = nothing_taken,
    first: ContainerFacts | None = None,
) -> float:
    """Return the seconds it took; `taken` says what `/prep` took from an image, `first` is the container as it started.

    Raises `LaunchError`, with the last log lines, when it exits or time runs out.
    """
    began = clock()
    probe = _Probe(engine, container, check)
    for pause in pauses():
        facts, first = first or engine.container(container), None
        if facts is None:
            raise LaunchError(f"{spec.name}: the container was removed while it started")
        if not facts.running and facts.state != "created":
            if check.may_exit and facts.state == "exited" and facts.exit_code == 0:
                return clock() - began
            raise failure(engine, facts, spec, _exit_text(facts), taken=taken)
        took = clock() - began
        settled = SETTLED if check.may_exit else STEADY
        if facts.state == "running" and isinstance(check, ByRunning) and took >= min(settled, timeout):
            return took
        sockets = in_use(facts.pid) if facts.pid and engine.facts().local else None
        try:
            probe.look(facts, now=took, left=timeout - took)
        except NeverError as seen:
            raise failure(engine, facts, spec, f"can never be ready: {seen}", taken=taken) from seen
        except NotYetError as seen:
            left = timeout - (clock() - began)
            if left <= 0:
                reason = f"was not ready after {timeout:g} s: {seen}"
                raise failure(engine, facts, spec, reason, taken=taken) from seen
            _rest(min(pause, left), pid=facts.pid, sockets=sockets, clock=clock, sleep=sleep)
        else:
            return clock() - began
    raise AssertionError("the pauses do not end")


def failure(
    engine: Engine, facts: ContainerFacts, spec: RunSpec, reason: str, *, taken: Taken = nothing_taken
) -> LaunchError:
    """Say why a container is not fit, with its last log lines and the settings that may be the cause."""
    logs = ""
    with suppress(EngineError):
        logs = engine.logs(facts.id, tail=TAIL * READ).rstrip()
    lines = [f"{spec.name}: {reason}"]
    lines += [f"    | {line}" for line in last_lines(logs, TAIL)] or ["    (it printed nothing)"]
    # What was seen to be the cause leaves no room for what often is.
    said = logs + facts.error
    advice = causes(engine, facts, spec, said, taken=taken) or hints(said, spec)
    lines += [f"    hint: {hint}" for hint in advice]
    return LaunchError("\n".join(lines))


class _Probe:
    """One kind of check against one container."""

    def __init__(self, engine: Engine, container: str, check: ReadyCheck) -> None:
        self._engine = engine
        self._container = container
        self._check = check
        self._cannot_run: list[float] = []
        self._answer = ""

    def look(self, facts: ContainerFacts, *, now: float, left: float) -> None:
        """Return when ready; raises `NotYetError` or `NeverError`. `now` and `left` are seconds of the wait."""
        if facts.state == "paused":
            # Another session may be copying its data, and then it goes on.
            raise NotYetError(f"it {why_stuck(facts)}")
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
        try:
            check_health(self._engine, self._container, check, timeout=max(left, SHORTEST_PROBE))
        except HealthCheckError as error:
            if error.exit_code not in CANNOT_RUN:
                if error.exit_code is not None:
                    self._cannot_run.clear()
                    self._answer = str(error)
                # One that time ran out for says less than the one before.
                raise NotYetError((left < SHORT_PROBE and self._answer) or str(error)) from error
            self._cannot_run.append(now)
            if len(self._cannot_run) >= GIVE_UP_AFTER and now - self._cannot_run[0] >= HOPELESS:
                raise NeverError(f"{error}; it cannot run in this image") from error
            raise NotYetError(str(error)) from error


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

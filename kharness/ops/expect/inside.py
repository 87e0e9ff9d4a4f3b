"""Expectations of the inside of a container: a command, a file, a process, lines of the log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from kharness.errors import EngineError
from kharness.ops.expect.until import SHORTEST, unmet, until
from kharness.ops.session.instance import Instance
from kharness.ops.session.readiness import NotYetError, pauses
from kharness.plan.expect import Text, described, has, lacks, with_texts
from kharness.plan.facts import ExecResult, LogLine
from kharness.plan.host import programs
from kharness.plan.launch.environment import redact


def expect_command(
    instance: Instance,
    argv: Sequence[str],
    *,
    status: int = 0,
    stdout: Sequence[Text] = (),
    output: Sequence[Text] = (),
    timeout: float,
) -> ExecResult:
    """Expect an exit status and all the texts, on standard output or on either stream; returns the result.

    The command is repeated until it holds. Raises `ExpectationError`.
    """

    def look(left: float) -> ExecResult:
        result = instance.exec(*argv, timeout=left)
        if result.exit_code != status:
            raise NotYetError(f"exit status {result.exit_code}: {result.stderr or result.stdout}")
        if lacks(result.stdout, stdout):
            raise NotYetError(f"the text {result.stdout}")
        if lacks(result.stdout + result.stderr, output):
            raise NotYetError(f"the text {result.stdout}{result.stderr}")
        return result

    wanted = f"{' '.join(argv)!r} to exit with {status}{with_texts((*stdout, *output))}"
    return until(look, wanted=wanted, timeout=timeout, hidden=instance.secrets)


ABSENT = re.compile("No such file or directory|Not a directory")
"""The errors of stat(1) for a missing file; after any other error it is unknown whether there is one."""


def expect_file(
    instance: Instance,
    path: str,
    *,
    exists: bool = True,
    texts: Sequence[Text] = (),
    mode: int | None = None,
    owner: str | None = None,
    group: str | None = None,
    timeout: float,
) -> None:
    """Expect a file or directory with all the texts in it, links followed; or none, with `exists=False`.

    `owner` and `group` are names or numbers. The container's user runs the image's own stat and cat. Raises
    `ExpectationError`.
    """
    wanted = f"{path} to exist{with_texts(texts)}" if exists else f"{path} not to exist"
    wanted += f" with mode {mode:o}" if mode is not None else ""
    wanted += f" owned by {owner}" if owner is not None else ""
    wanted += f" with group {group}" if group is not None else ""

    def look(left: float) -> None:
        found = instance.exec("stat", "-L", "-c", "%a %u %U %g %G", path, environment={"LC_ALL": "C"}, timeout=left)
        answer = (found.stderr or found.stdout).strip()
        if not exists:
            _absent(found, answer)
            return
        if not found.ok:
            raise NotYetError(answer)
        bits, uid, user, gid, members = found.stdout.split()
        if mode is not None and int(bits, 8) != mode:
            raise NotYetError(f"mode {bits}")
        _belongs("owner", owner, uid, user)
        _belongs("group", group, gid, members)
        if texts:
            _contains(instance.exec("cat", path, timeout=left), texts)

    until(look, wanted=wanted, timeout=timeout, hidden=instance.secrets)


def _absent(found: ExecResult, answer: str) -> None:
    if found.ok:
        raise NotYetError("it exists")
    if not ABSENT.search(answer):
        raise NotYetError(answer)


def _belongs(what: str, wanted: str | None, number: str, name: str) -> None:
    if wanted is not None and wanted not in {number, name}:
        raise NotYetError(f"{what} {name} ({number})")


def _contains(found: ExecResult, texts: Sequence[Text]) -> None:
    if not found.ok:
        raise NotYetError((found.stderr or found.stdout).strip())
    if lacks(found.stdout, texts):
        raise NotYetError(f"the text {found.stdout}")


SHOWN = 60
"""Characters of a command line that are shown."""


def expect_process(
    instance: Instance, *, name: str | None = None, command: Text | None = None, running: bool = True, timeout: float
) -> None:
    """Expect a process with the program's name and the text in its command line, or with `running=False` none.

    Raises `ExpectationError`.
    """

    def look(_left: float) -> None:
        processes = instance.processes()
        found = [
            each.command
            for each in processes
            if (name is None or name in programs(each.command)) and (command is None or has(each.command, command))
        ]
        if running and not found:
            raise NotYetError(", ".join(shown(each.command) for each in processes) or "no process")
        if found and not running:
            raise NotYetError(f"{shown(found[0])} runs")

    def shown(command: str) -> str:
        # Redact first: a secret that is cut or escaped would not be recognized.
        plain = redact(command, instance.secrets)
        return repr(plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}...")

    wanted = "a process" if name is None else f"the process {name}"
    wanted += "" if command is None else f" with a command line {described(command)}"
    until(look, wanted=f"{wanted} {'to run' if running else 'not to run'}", timeout=timeout, hidden=instance.secrets)


SILENT = "none"
"""The log driver that stores nothing."""
WINDOW, WIDEST = 256, 1 << 18
"""How many lines at the end of the log are read to find the new lines, at first and at most."""
CHECKED = 256
"""How many lines are read between two looks at the clock."""


class _TooLongError(Exception):
    """The log could not be read to its end in time."""


class _Reader:
    """Reads a log once, and then only its new lines, because an engine reads the whole log for each request."""

    def __init__(
        self, instance: Instance, clock: Callable[[], float], *, seen: Text | None, never: Text | None
    ) -> None:
        self.count = 0
        self.text = ""
        self.found = False
        self.bad: str | None = None
        self._instance = instance
        self._clock = clock
        self._seen = seen
        self._never = never
        self._at = ""

    def read(self, deadline: float) -> None:
        """Read the new lines; raises `_TooLongError` if the deadline passes before the end."""
        window = WINDOW
        while self._at and window < WIDEST:
            lines = tuple(self._instance.log_lines(tail=window))
            if len(lines) < window or lines[0].at <= self._at:
                self._take(lines, deadline)
                return
            window *= 4
        self._take(self._instance.log_lines(), deadline)

    @property
    def over(self) -> bool:
        """Whether no further line can change the result."""
        return self.bad is not None or (self.found and self._never is None)

    def _take(self, lines: Iterable[LogLine], deadline: float) -> None:
        for number, line in enumerate(lines):
            # Lines of two streams may be slightly out of order; reading a line again changes nothing.
            self._look(line)
            if self.over:
                return
            if number % CHECKED == 0 and self._clock() > deadline:
                raise _TooLongError

    def _look(self, line: LogLine) -> None:
        if line.at > self._at:
            self.count += 1
            self._at, self.text = line.at, line.text
        if self._never is not None and has(line.text, self._never):
            self.bad = line.text
        self.found = self.found or (self._seen is not None and has(line.text, self._seen))


def expect_log(
    instance: Instance,
    *,
    seen: Text | None = None,
    never: Text | None = None,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Expect a line with `seen` in the log, and no line with `never` before it; without `seen`, for the whole time.

    The log is what the engine has stored for this container. Raises `ExpectationError`, immediately at a line with
    `never`, and if the log is too long to be read in the time.
    """
    wanted = " and ".join(
        [
            *([] if seen is None else [f"a line {described(seen)}"]),
            *([] if never is None else [f"no line {described(never)}"]),
        ]
    )
    failure = partial(unmet, f"{wanted} in the log", timeout=timeout, hidden=instance.secrets)
    reader = _Reader(instance, clock, seen=seen, never=never)

    def look(left: float) -> None:
        if (problem := _problem(instance, reader, deadline=clock() + max(left, SHORTEST))) is not None:
            raise failure(seen=problem)
        if seen is not None and not reader.found:
            raise NotYetError(f"{reader.count} lines, the last: {reader.text}" if reader.count else "the log is empty")

    if seen is not None:
        hidden = instance.secrets
        until(look, wanted=f"{wanted} in the log", timeout=timeout, hidden=hidden, clock=clock, sleep=sleep)
        return
    deadline = clock() + timeout
    for pause in pauses():
        left = deadline - clock()
        look(left)
        if left <= 0:
            return
        sleep(min(pause, left))


def _problem(instance: Instance, reader: _Reader, *, deadline: float) -> str | None:
    """Read the new lines; returns the problem that ends the wait, None if there is none."""
    try:
        reader.read(deadline)
    except EngineError:
        if _driver(instance) != SILENT:
            raise
    except _TooLongError:
        return (
            f"a log that is too long: {reader.count} lines were read in the time; give it more with 'timeout', or "
            "limit the log with 'logging: {options: {max-size: 10m}}'"
        )
    if not reader.count and _driver(instance) == SILENT:
        return f"its log driver is {SILENT}, so its log cannot be read"
    return reader.bad


def _driver(instance: Instance) -> object:
    return instance.inspect().get("HostConfig", {}).get("LogConfig", {}).get("Type")

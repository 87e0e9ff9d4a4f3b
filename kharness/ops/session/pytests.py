"""Pytest sessions over container directories, as processes of their own: their command line, mode and course."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from kharness.engine.contexts import endpoints
from kharness.errors import EngineUnavailableError, LaunchError, SettingsError
from kharness.host.project.test_files import marked_alone, pytest_ini
from kharness.host.session.results import take_result
from kharness.plan.expect import declared
from kharness.plan.gate.result import SessionResult
from kharness.plan.launch.mounts import resolve_source
from kharness.plan.session.modes import LAUNCH, NOISE, PROD_READY, READY, Mode, Place, runs_in, session_line
from kharness.settings.catalog import ContainerDir
from kharness.settings.host import HostSettings
from kharness.settings.load import load_settings
from kharness.settings.model import Settings

TAIL = 30
"""Lines of output that a reason ends with."""
PATIENCE = 30.0
"""Seconds that an interrupted child may clean up."""
DEPTH = "KHARNESS_DEPTH"
"""How many sessions are above this one: a first release that starts another is a loop beyond a few."""


def session_of(
    directory: ContainerDir, flags: Sequence[str], *, project: Path | None, more: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the command line that tests a directory with the configuration of the project that a command is called in.

    A directory of another source path is tested with the project's settings as well.
    """
    place = place_of(directory, project=project)
    return session_line(sys.executable, directory.path, flags, place=place, more=more)


def place_of(directory: ContainerDir, *, project: Path | None) -> Place:
    """Return where pytest begins. Without a project, pytest must not find one above the directory either."""
    if project is None:
        return Place(root=directory.source_path)
    if directory.path.resolve().is_relative_to(project.resolve()):
        return Place(root=project)
    return Place(root=project, ini=pytest_ini(project))


def release_flags(directory: ContainerDir, flags: Sequence[str], *, host: HostSettings) -> tuple[str, ...]:
    """Return the flags of a session that launches: prod-ready where a test is for that mode alone.

    Not where the volumes cannot be copied from here; the session then names the tests that did not run.
    """
    flags = tuple(flags)
    if LAUNCH not in flags or READY not in flags:
        return flags
    try:
        settings = load_settings(directory.path, below=host.defaults)
    except SettingsError:
        return flags  # the session reports what is wrong
    if not prod_ready_alone(directory, settings) or not _can_copy(directory, settings, host=host):
        return flags
    return tuple(PROD_READY if flag == READY else flag for flag in flags)


def prod_ready_alone(directory: ContainerDir, settings: Settings) -> tuple[str, ...]:
    """Return the tests and expectations that run in prod-ready mode and not in the stand-alone one."""
    found = [
        f"{directory.settings_file.name}::{each.name}"
        for each in declared(settings.expect)
        if runs_in(Mode.PROD_READY, each.marks) and not runs_in(Mode.STANDALONE, each.marks)
    ]
    tests = marked_alone(directory.path, mark=Mode.PROD_READY.mark, other=Mode.STANDALONE.mark)
    return (*found, *tests)


def _can_copy(directory: ContainerDir, settings: Settings, *, host: HostSettings) -> bool:
    if not any(volume.source for volume in settings.volumes):
        return True
    try:
        found = endpoints(host=host.engine, environ=os.environ, home=Path.home())
    except EngineUnavailableError:
        return False
    if any(endpoint.socket is None for endpoint in found):
        return False
    sources = _directories(directory, settings, host=host)
    return all(os.access(source, os.R_OK | os.X_OK) for source in sources if source.is_dir())


def _directories(directory: ContainerDir, settings: Settings, *, host: HostSettings) -> Iterator[Path]:
    root = PurePosixPath(host.dv)
    for volume in settings.volumes:
        if volume.type == "bind" and volume.source is not None:
            yield Path(resolve_source(volume.source, name=directory.name, volume_root=root))


@dataclass(frozen=True, kw_only=True)
class ChildResult:
    """How a child process ended: exit status, output, its records as plain values, and the result that it wrote."""

    status: int
    output: str
    records: tuple[dict[str, Any], ...] = ()
    result: SessionResult | None = None

    @property
    def tail(self) -> str:
        """The last lines of the output."""
        return "\n".join(self.output.splitlines()[-TAIL:])


class ChildSessions:
    """Runs pytest processes for a session, which share no state with it. Safe to use from threads."""

    def __init__(self, *, root: Path, ini: Path | None, cwd: Path) -> None:
        self._root = root
        self._ini = ini
        self._cwd = cwd
        self._running: set[subprocess.Popen[str]] = set()
        self._runs = 0
        self._ended = threading.Condition()
        self._stopped = False

    def run(self, *args: str | Path, progress: Callable[[str], None] | None = None) -> ChildResult:
        """Run pytest with this session's root and ini file, in one process, and wait for it.

        `progress` gets each line of its output. Raises `LaunchError` once the session was interrupted.
        """
        with self._counted(), TemporaryDirectory(prefix="kharness-child-") as scratch:
            reports, wrote = Path(scratch) / "reports.jsonl", Path(scratch) / "result"
            with self._start(f"--kharness-reports={reports}", f"--kharness-result={wrote}", *map(str, args)) as process:
                try:
                    output = _listen(process, progress)
                except BaseException:
                    _end(process)
                    raise
                finally:
                    self._running.discard(process)
            found, result = tuple(records(reports)), take_result(wrote)
        return ChildResult(status=process.wait(), output=output, records=found, result=result)

    def stop(self) -> None:
        """Interrupt the children, wait until they and their callers have cleaned up, and start nothing more."""
        with self._ended:
            self._stopped = True
            running = tuple(self._running)
        for process in running:
            _end(process)
        with self._ended:
            self._ended.wait_for(lambda: not self._runs, timeout=PATIENCE)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._ended:
            self._runs += 1
        try:
            yield
        finally:
            with self._ended:
                self._runs -= 1
                self._ended.notify_all()

    def _start(self, *args: str) -> subprocess.Popen[str]:
        root = ["--rootdir", str(self._root), *(["-c", str(self._ini)] if self._ini is not None else [])]
        command = [sys.executable, "-m", "pytest", *root, "-p", "no:cacheprovider", "-o", "addopts=", "--color=no"]
        command += ["--import-mode=importlib", *args]
        with self._ended:
            if self._stopped:
                raise LaunchError("the session was interrupted")
            process = subprocess.Popen(  # noqa: S603 - our own interpreter, arguments never through a shell
                command,
                cwd=self._cwd,
                env=_environ(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                # A terminal's interrupt is for this session, which ends its children in order.
                start_new_session=True,
            )
            self._running.add(process)
        return process


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Read what a test process recorded; a last line that it could not finish is left out."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in environ.items() if key not in NOISE}
    return {**kept, DEPTH: str(int(environ.get(DEPTH, "0")) + 1)}


def _listen(process: subprocess.Popen[str], progress: Callable[[str], None] | None) -> str:
    output = []
    for line in process.stdout or ():
        output.append(line)
        if progress is not None and line.strip():
            progress(line.rstrip())
    process.wait()
    return "".join(output)


def _end(process: subprocess.Popen[str]) -> None:
    # After SIGTERM it cleans up as after an interrupt.
    process.terminate()
    try:
        process.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

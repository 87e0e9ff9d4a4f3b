"""Start the engine that is installed on this host, or install one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from kharness.engine.daemon import SYSTEM, SYSTEM_PATH, DaemonPaths, Progress, start_daemon, stop_daemon
from kharness.errors import EngineError, EngineUnavailableError

TAIL = 15
PACKAGES = ("docker.io", "iptables")
"""Debian's and Ubuntu's names; iptables is only recommended there, and bridge networks do not come up without it."""


def start_local_engine(*, state_dir: Path, progress: Progress) -> None:
    """Start the installed engine and return when it answers; one that answers already is no error.

    By systemd where that runs, else as a detached process with its log in `state_dir`. `EngineUnavailableError` when
    none is installed, when it may not be started, or with its last words when it fails.
    """
    if installed_daemon() is None:
        raise EngineUnavailableError(f"no engine is installed{_how_to_install()}")
    if os.geteuid():
        raise EngineUnavailableError("only root can start the engine: `sudo kharness engine start`")
    if _systemd_runs():
        progress("systemctl start docker")
        _run(("systemctl", "start", "docker"), progress, failed="systemd could not start the engine")
        return
    start_daemon(SYSTEM, log=state_dir / "dockerd.log", progress=progress)


def stop_local_engine(paths: DaemonPaths = SYSTEM, *, timeout: float = 30.0) -> None:
    """Stop the engine, and with it its containers; `EngineError` when it runs on after `timeout` seconds."""
    if paths == SYSTEM and _systemd_runs():
        # The socket unit would start it again at the next request.
        _run(("systemctl", "stop", "docker.socket", "docker"), _silent, failed="systemd could not stop the engine")
        return
    stop_daemon(paths, timeout=timeout)


def installed_daemon() -> str | None:
    """Return the path of `dockerd`, None where none is installed."""
    return shutil.which("dockerd", path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PATH}")


def install_command() -> tuple[str, ...] | None:
    """Return the command that installs an engine here, None where we know of none."""
    if shutil.which("apt-get") is None:
        return None
    return ("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES)


def install_engine(progress: Progress) -> None:
    """Install an engine from the distribution's packages; `EngineError` with the last lines of what failed."""
    command = install_command()
    if command is None:
        raise EngineError("there is no apt-get here: install Docker Engine as its own documentation says")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for argv in (("apt-get", "update"), command):
        _run(argv, progress, failed=f"`{' '.join(argv)}` failed", environ=environ)


def _how_to_install() -> str:
    command = install_command()
    return f": `{' '.join(command)}`, or `kharness engine start --install`" if command else ""


def _systemd_runs() -> bool:
    return Path("/run/systemd/system").is_dir()  # sd_booted(3)


def _run(argv: Sequence[str], progress: Progress, *, failed: str, environ: Mapping[str, str] | None = None) -> None:
    tail: deque[str] = deque(maxlen=TAIL)
    try:
        with subprocess.Popen(  # noqa: S603 - the callers' own words
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                tail.append(line.rstrip())
                progress(line.rstrip())
    except OSError as error:
        raise EngineError(f"{failed}: {argv[0]}: {error.strerror}") from error
    if process.returncode:
        raise EngineError("\n    ".join((f"{failed} (exit status {process.returncode})", *tail)))


def _silent(_line: str) -> None:
    pass

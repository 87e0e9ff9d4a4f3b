"""Start or install this host's engine: a detached `dockerd`, without an init system; see that it answers; stop it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import AF_UNIX, socket

from kharness.errors import EngineError, EngineUnavailableError

LOG_TAIL = 15
"""How many lines of its log an error carries."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the daemon finds containerd, runc and iptables, independent of the user's PATH."""
START_TIMEOUT = 90.0
"""Seconds. A daemon takes half of one; but after a crash it first stops the containers that survived it, and waits out
their grace periods (10 s each by default, side by side). One that fails ends, and is noticed at once."""
CONTAINERD_DIES = 0.5
"""Seconds that the containerd of a killed daemon has to follow it; a daemon started meanwhile would wait for it."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonPaths:
    """What two daemons of one host must not share. The socket's path is at most 107 bytes long, unix(7)."""

    data_root: Path
    exec_root: Path
    pidfile: Path
    socket: Path

    @classmethod
    def below(cls, root: Path) -> DaemonPaths:
        """Return paths of a daemon that keeps everything below one directory."""
        return cls(data_root=root / "data", exec_root=root / "exec", pidfile=root / "pid", socket=root / "sock")

    def arguments(self) -> tuple[str, ...]:
        """Return them as dockerd(8) wants them; none for the system's own, which its daemon.json may move."""
        if self == SYSTEM:
            return ()
        paths = (("--data-root", self.data_root), ("--exec-root", self.exec_root), ("--pidfile", self.pidfile))
        return (*(word for option, path in paths for word in (option, str(path))), "--host", f"unix://{self.socket}")


SYSTEM = DaemonPaths(
    data_root=Path("/var/lib/docker"),
    exec_root=Path("/var/run/docker"),
    pidfile=Path("/var/run/docker.pid"),
    socket=Path("/var/run/docker.sock"),
)


def start_daemon(
    paths: DaemonPaths,
    *,
    log: Path,
    progress: Progress,
    prefix: Sequence[str] = (),
    arguments: Sequence[str] = (),
    timeout: float = START_TIMEOUT,
) -> None:
    """Start a daemon and return when it answers; do nothing more where one does already.

    It outlives this process; its output goes to `log`. `prefix` goes before the command (`nsenter --net=...`),
    `arguments` after it. What a killed daemon left behind, a pid file or a socket, does not stop it.
    `EngineUnavailableError` has the last lines of the log.
    """
    deadline = time.monotonic() + timeout
    begun = time.monotonic()
    _remove_stale(paths)
    if answers(paths.socket):
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    child = _spawn((*prefix, "dockerd", *paths.arguments(), *arguments), log)
    progress(f"dockerd was started; its log is {log}")
    for _ in _pauses(deadline):
        if answers(paths.socket):
            progress(f"dockerd answers after {time.monotonic() - begun:.1f} s")
            return
        # One that another session started at the same time holds the pid file, and answers for ours.
        if child and _has_ended(child) and _process(paths.pidfile, "dockerd") is None:
            raise EngineUnavailableError(f"dockerd did not start; the end of {log}:\n{_last_lines(log)}")
    raise EngineUnavailableError(
        f"dockerd was started and does not answer after {timeout:g} s; the end of {log}:\n{_last_lines(log)}"
    )


def stop_daemon(paths: DaemonPaths, *, timeout: float = 30.0) -> None:
    """Stop a daemon and its containers; none running is no error."""
    pid = _process(paths.pidfile, "dockerd")
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    for _ in _pauses(time.monotonic() + timeout):
        if _has_ended(pid):
            return
    raise EngineError(f"dockerd (process {pid}) still runs {timeout:g} s after it was told to end")


def answers(path: Path, *, timeout: float = 2.0) -> bool:
    """Whether an engine answers a ping at this unix socket."""
    connection = HTTPConnection("localhost", timeout=timeout)
    with socket(AF_UNIX) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(str(path))
            connection.sock = sock
            connection.request("GET", "/_ping")
            with connection.getresponse() as response:
                return response.status == 200  # noqa: PLR2004 - OK
        except (OSError, HTTPException):
            return False


def _spawn(argv: Sequence[str], log: Path) -> int:
    # posix_spawn and not Popen: the daemon is not waited for, and Popen would warn of that.
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        return os.posix_spawnp(
            argv[0],
            tuple(argv),
            {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGHUP, signal.SIGPIPE),
        )
    except OSError as error:
        raise EngineUnavailableError(f"{argv[0]} cannot be started: {error.strerror}") from error
    finally:
        os.close(output)


def _remove_stale(paths: DaemonPaths) -> None:
    # A pid file stops dockerd when any process has the number; containerd's keeps it waiting for one that never comes.
    for pidfile, program in ((paths.pidfile, "dockerd"), (paths.exec_root / "containerd/containerd.pid", "containerd")):
        if not pidfile.exists():
            continue
        found = _process(pidfile, program)
        if found and program == "dockerd":
            return
        for _ in _pauses(time.monotonic() + CONTAINERD_DIES) if found else ():
            if _is_zombie(found or 0):
                found = None
                break
        if found is None:
            pidfile.unlink(missing_ok=True)


def _process(pidfile: Path, program: str) -> int | None:
    """Return the process that a pid file names, if it runs that program."""
    with suppress(OSError, ValueError):
        pid = int(pidfile.read_text())
        if Path(f"/proc/{pid}/comm").read_text().strip() == program and not _is_zombie(pid):
            return pid
    return None


def _has_ended(pid: int) -> bool:
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether it has ended, waited for or not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in {"Z", "X"}


def _pauses(deadline: float) -> Iterator[None]:
    pause = 0.01
    while time.monotonic() < deadline:
        yield
        time.sleep(pause)
        pause = min(pause * 1.3, 0.1)


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL:]
    return "\n".join(f"    {line}" for line in lines)


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

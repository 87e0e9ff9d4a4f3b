"""A daemon of the tests' own: its own network namespace, data root, exec root, pid file and socket."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kharness.engine.connect import connect
from kharness.engine.docker import DockerEngine
from kharness.engine.start import DaemonPaths, installed_daemon, start_daemon, stop_local_engine


@dataclass
class PrivateDaemon:
    """A daemon that nobody else uses; `lines` is what starting it told."""

    root: Path
    namespace: str
    lines: list[str] = field(default_factory=list)

    @property
    def paths(self) -> DaemonPaths:
        return DaemonPaths.below(self.root)

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def url(self) -> str:
        return f"unix://{self.paths.socket}"

    def start(self, **configuration: Any) -> None:
        file = self.root / "daemon.json"
        file.write_text(json.dumps(configuration))
        start_daemon(
            self.paths,
            log=self.log,
            progress=self.lines.append,
            prefix=("nsenter", f"--net=/run/netns/{self.namespace}"),
            arguments=("--config-file", str(file)),
        )

    def connect(self) -> DockerEngine:
        return connect(host=self.url, environ={}, home=self.root)

    def pid(self) -> int:
        return int(self.paths.pidfile.read_text())

    def kill(self) -> None:
        """Kill it as a crash does: its pid file, socket and containerd stay."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def why_not() -> str | None:
    """Return why no private daemon can be had here, None when one can."""
    if os.geteuid():
        return "needs root"
    if installed_daemon() is None:
        return "needs dockerd"
    missing = [program for program in ("ip", "nsenter") if shutil.which(program) is None]
    return f"needs {' and '.join(missing)}" if missing else None


@contextmanager
def private_daemon() -> Iterator[PrivateDaemon]:
    """Give a daemon that has not been started; whatever state it is left in, nothing of it stays."""
    namespace = f"kharness-test-{secrets.token_hex(3)}"
    # Not below pytest's directory: the path of a socket is at most 107 bytes long.
    root = Path(tempfile.mkdtemp(prefix="khd-"))
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    daemon = PrivateDaemon(root, namespace)
    try:
        yield daemon
    finally:
        if not daemon.paths.pidfile.exists() or _killed(daemon):
            # Only a daemon can end the containerd of one that was killed.
            daemon.start()
        stop_local_engine(daemon.paths)
        # A killed daemon leaves its data root mounted on itself, BuildKit now and then a network namespace.
        for mount in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if mount.split()[1].startswith(f"{root}/"):
                subprocess.run(["umount", mount.split()[1]], check=True)
        subprocess.run(["ip", "netns", "del", namespace], check=True)
        shutil.rmtree(root)


def _killed(daemon: PrivateDaemon) -> bool:
    return not Path(f"/proc/{daemon.pid()}").exists()

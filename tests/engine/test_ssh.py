"""An engine behind ssh: an sshd of the test's own, on this machine, in front of the engine that answers here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.engine.connect import connect
from kharness.engine.docker import DockerEngine
from kharness.errors import EngineUnavailableError
from kharness.plan.launch.runspec import RunSpec

pytestmark = pytest.mark.engine


@dataclass
class Server:
    url: str
    home: Path


@pytest.fixture
def server(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An sshd at a free port of 127.0.0.1 that knows one key, and a home with that key."""
    pytest.importorskip("paramiko", reason="needs docker[ssh]")
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None or shutil.which("docker") is None or os.geteuid() or not engine.facts().local:
        pytest.skip("needs root, sshd and the docker command (`docker system dial-stdio` is the other end)")
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    for key in (tmp_path / "host", home / ".ssh/id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    port = free_port()
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{port} {(tmp_path / 'host.pub').read_text()}")
    (tmp_path / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {home}/.ssh/id_ed25519.pub\nPermitRootLogin yes\nPidFile none\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    with subprocess.Popen([sshd, "-D", "-f", tmp_path / "config"]) as process:
        try:
            await_port(port)
            yield Server(f"ssh://root@127.0.0.1:{port}", home)
        finally:
            process.terminate()


@pytest.fixture
def far(server: Server) -> Iterator[DockerEngine]:
    engine = connect(host=server.url, environ={}, home=server.home)
    yield engine
    engine.close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        number: int = sock.getsockname()[1]
        return number


def await_port(port: int) -> None:
    for _ in range(6000):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    pytest.fail("sshd did not start")


def test_an_engine_behind_ssh_is_the_same_and_is_not_local(far: DockerEngine, engine: Engine) -> None:
    assert far.facts().id == engine.facts().id
    assert far.facts().local is False


def test_more_threads_than_sshd_allows_sessions_share_it(far: DockerEngine, busybox: str, prefix: str) -> None:
    container = far.create(RunSpec(name=prefix, image=busybox, command=("sleep", "60")))
    try:
        far.start(container)
        done = far.exec(container, ["sh", "-c", "echo out; echo err >&2; exit 3"])
        assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")
        with pytest.raises(TimeoutError, match=r"still runs after 0\.3 s"):
            far.exec(container, ["sleep", "60"], timeout=0.3)
        with ThreadPoolExecutor(16) as pool:
            answers = pool.map(lambda number: far.exec(container, ["echo", str(number)]).stdout, range(32))
            assert list(answers) == [f"{number}\n" for number in range(32)]
    finally:
        far.remove(container, force=True)


def test_a_host_key_that_is_not_known_is_refused(server: Server) -> None:
    (server.home / ".ssh/known_hosts").write_text("")
    with pytest.raises(EngineUnavailableError, match="not found in known_hosts"):
        connect(host=server.url, environ={}, home=server.home)

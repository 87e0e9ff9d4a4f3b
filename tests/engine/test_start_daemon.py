"""Starting, crashing and stopping a daemon; the shared one is never touched."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.connect import connect
from kharness.engine.start import DaemonPaths, answers, start_daemon, stop_daemon
from kharness.errors import EngineUnavailableError
from kharness.plan.launch.runspec import RunSpec
from tests.conftest import no_engine
from tests.engine.daemons import PrivateDaemon, private_daemon, why_not
from tests.rootfs import archive

pytestmark = pytest.mark.engine


@pytest.fixture
def daemon(request: pytest.FixtureRequest) -> Iterator[PrivateDaemon]:
    reason = why_not()
    if reason:
        no_engine(request, reason)
    with private_daemon() as daemon:
        yield daemon


def test_a_daemon_is_started_once_and_stopped(daemon: PrivateDaemon) -> None:
    daemon.start()
    pid = daemon.pid()
    daemon.start()
    assert daemon.pid() == pid
    assert [line.split()[:3] for line in daemon.lines] == [
        ["dockerd", "was", "started;"],
        ["dockerd", "answers", "after"],
    ]
    assert os.getsid(pid) != os.getsid(0)
    stop_daemon(daemon.paths)
    stop_daemon(daemon.paths)
    assert not answers(daemon.paths.socket)
    assert not Path(f"/proc/{pid}").exists()


def test_what_a_killed_daemon_left_does_not_stop_the_next(daemon: PrivateDaemon) -> None:
    daemon.start()
    engine = daemon.connect()
    daemon.kill()
    assert daemon.paths.pidfile.exists()
    assert daemon.paths.socket.exists()
    with pytest.raises(EngineUnavailableError, match="does not answer: Connection refused"):
        engine.images()
    daemon.start()
    assert engine.images() == ()
    engine.close()


def test_a_pid_file_that_names_somebody_else_does_not_stop_a_daemon(daemon: PrivateDaemon) -> None:
    daemon.start()
    stop_daemon(daemon.paths)
    daemon.paths.pidfile.write_text(str(os.getpid()))
    containerd = daemon.paths.exec_root / "containerd/containerd.pid"
    containerd.parent.mkdir(parents=True, exist_ok=True)
    containerd.write_text(str(os.getpid()))
    daemon.start()
    assert daemon.pid() != os.getpid()


@pytest.mark.parametrize("content", ["", "nonsense", "-1", "99999999"])
def test_a_pid_file_that_names_nobody_does_not_stop_a_daemon(daemon: PrivateDaemon, content: str) -> None:
    daemon.paths.pidfile.write_text(content)
    daemon.start()
    assert answers(daemon.paths.socket)


def test_two_who_start_a_daemon_at_the_same_time_get_one(daemon: PrivateDaemon) -> None:
    problems: list[BaseException] = []

    def start() -> None:
        try:
            daemon.start()
        except BaseException as error:  # noqa: BLE001 - looked at below
            problems.append(error)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert answers(daemon.paths.socket)


def test_a_daemon_that_cannot_start_tells_its_last_words(daemon: PrivateDaemon) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        daemon.start(nonsense=True)
    assert str(daemon.log) in str(caught.value)
    assert "nonsense" in str(caught.value)


def test_a_program_that_is_not_there_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="never cannot be started: No such file"):
        start_daemon(DaemonPaths.below(tmp_path), log=tmp_path / "log", progress=print, prefix=("never",))


def test_a_daemon_that_does_not_answer_in_time_is_told(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"does not answer after 0\.2 s"):
        start_daemon(
            DaemonPaths.below(tmp_path),
            log=tmp_path / "log",
            progress=print,
            prefix=("sh", "-c", "sleep 60"),
            timeout=0.2,
        )
    assert time.monotonic() - begun < 40


def test_a_daemon_in_another_namespace_is_not_local(daemon: PrivateDaemon) -> None:
    daemon.start()
    engine = daemon.connect()
    assert engine.facts().local is False
    assert engine.facts().root_dir == str(daemon.paths.data_root)
    engine.close()


def test_an_engine_that_dies_during_a_call_is_unavailable(daemon: PrivateDaemon) -> None:
    daemon.start()
    engine = connect(host=daemon.url, environ={}, home=daemon.root)
    engine.import_image([archive(Path("/bin/busybox"))], "kharness-test/base:1")
    # With init it ends at once when the next daemon tells it to.
    spec = RunSpec(name="kharness-test-dying", image="kharness-test/base:1", command=("sleep", "99"), init=True)
    container = engine.create(spec)
    engine.start(container)
    for call in (engine.wait, lambda name: engine.exec(name, ["sleep", "99"])):
        threading.Timer(0.3, daemon.kill).start()
        with pytest.raises(EngineUnavailableError):
            call(container)
        daemon.start()
        engine.start(container)
    engine.remove(container, force=True)
    engine.close()

"""`kharness map`: ids and names of what runs, with nothing imported that is not needed."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kharness.cli.running import DEFAULT, socket_of
from kharness.engine.api import Engine
from kharness.plan.launch.runspec import RunSpec

ROOT = str(Path(__file__).parents[2])
BODY = b'[{"Id": "bbbbbbbbbbbbbbbb", "Names": ["/web/db", "/db"]}, {"Id": "aaaaaaaaaaaaaaaa", "Names": ["/a"]}]'


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """Let something answer at a socket, once; gives what it was asked."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield asked
        thread.join(5)


def run(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kharness", "map", *args]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_it_prints_ids_and_names_sorted_by_name(tmp_path: Path) -> None:
    with answering(tmp_path / "s", b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n" + BODY) as asked:
        done = run(DOCKER_HOST=f"unix://{tmp_path}/s")
    assert (done.returncode, done.stdout, done.stderr) == (0, "aaaaaaaaaaaa a\nbbbbbbbbbbbb db\n", "")
    assert asked[0].startswith(b"GET /containers/json HTTP/1.0\r\n")


@pytest.mark.parametrize(
    ("environ", "borrowed", "expected"),
    [
        ({}, False, DEFAULT),
        ({"DOCKER_HOST": "unix:///x/y"}, False, "/x/y"),
        ({"DOCKER_HOST": "/x/y"}, False, "/x/y"),
        ({"DOCKER_HOST": "unix:///x/y"}, True, DEFAULT),
        ({"DOCKER_HOST": "tcp://evil"}, True, DEFAULT),
    ],
)
def test_the_environment_leads_nobody_elsewhere_who_has_borrowed_rights(
    environ: dict[str, str],
    borrowed: bool,  # noqa: FBT001
    expected: str,
) -> None:
    assert socket_of(environ, borrowed=borrowed) == expected


def test_under_sudo_the_environment_is_not_believed(tmp_path: Path) -> None:
    done = run(DOCKER_HOST=f"unix://{tmp_path}/none", SUDO_UID="1000")
    assert str(tmp_path) not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.0 500 Oops\r\n\r\n", "what answers there says 'HTTP/1.0 500 Oops'"),
        (b"hello", "what answers there says 'hello'"),
        (b"", "what answers there says ''"),
        (b"HTTP/1.0 200 OK\r\n\r\n{", "Expecting property name"),
        (b'HTTP/1.0 200 OK\r\n\r\n[{"Id": 3}]', "'Names'"),
    ],
)
def test_what_is_no_engine_is_told_without_a_traceback(tmp_path: Path, answer: bytes, said: str) -> None:
    with answering(tmp_path / "s", answer):
        done = run(DOCKER_HOST=f"unix://{tmp_path}/s")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"kharness: no container engine answers at {tmp_path}/s: {said}")


def test_a_socket_that_is_not_there_and_arguments_are_told(tmp_path: Path) -> None:
    gone = run(DOCKER_HOST=f"unix://{tmp_path}/none")
    expected = f"kharness: no container engine answers at {tmp_path}/none: No such file or directory\n"
    assert (gone.returncode, gone.stderr) == (1, expected)
    assert (run("x").returncode, run("x").stderr) == (2, "kharness: map takes no arguments\n")
    far = run(DOCKER_HOST="tcp://far")
    assert far.returncode == 2
    assert far.stderr == "kharness: DOCKER_HOST: should be a socket of this host, unix:///..., not 'tcp://far'\n"


def test_nothing_is_imported_that_it_does_not_need() -> None:
    code = (
        "import sys; sys.argv = ['kharness', 'map', 'x']\n"
        "from kharness.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*(name for name in sys.modules if name.split('.')[0] == 'kharness'))\n"
        "print(*{'click', 'docker', 'pydantic', 'requests', 'rich', 'ssl', 'yaml', 'http.client'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {ROOT!r})\n{code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.splitlines() == [
        "kharness kharness.cli kharness.cli.streams kharness.cli.main kharness.cli.running",
        "",
    ]


def test_it_names_what_runs_on_the_engine(engine: Engine, busybox: str, prefix: str) -> None:
    container = engine.create(RunSpec(name=prefix, image=busybox, command=("sleep", "60"), init=True))
    try:
        assert f"{container[:12]} {prefix}" not in run().stdout.splitlines()
        engine.start(container)
        assert f"{container[:12]} {prefix}" in run().stdout.splitlines()
    finally:
        engine.remove(container, force=True)

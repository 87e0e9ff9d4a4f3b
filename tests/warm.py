"""A process that has imported everything, and becomes the sessions and commands that tests start.

To start Python, pytest and kharness takes most of a small session's time. So each process of tests has another one that
did it once, and forks for each command: what runs there has a pid, a directory, an environment and streams of its own.
"""

from __future__ import annotations

import atexit
import compileall
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Timer
from typing import Any, NoReturn

import pytest

MODULES = ("kharness", "pytest")
"""What it can become, as by `python -m`."""
LARGEST = 1 << 18
"""Bytes of a request, which is one message."""
FIXED = ("PYTHON", "LANG", "LC_", "LD_", "TZ")
"""What the names of variables begin with that count when Python starts."""
FREE = "PYTHONDONTWRITEBYTECODE"
IMPORTS = """\
import importlib, pkgutil
import httpx, kharness

for module in pkgutil.walk_packages(kharness.__path__, "kharness."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

def test_nothing():
    pass
"""


def is_warm(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether a command can be run so: what Python reads when it starts must be as it is here."""
    names = {name for name in {*os.environ, *environ} if name.startswith(FIXED) and name != FREE}
    if any(environ.get(name) != os.environ.get(name) for name in names):
        return False
    return tuple(command[:2]) == (sys.executable, "-m") and command[2] in MODULES


def run(command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """Run a command for which `is_warm`; returns its exit status as `subprocess` does, and what it printed.

    Raises `subprocess.TimeoutExpired`.
    """
    asked = {"words": list(command[2:]), "cwd": str(cwd), "environ": dict(environ)}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    out, into = os.pipe()
    with ours, os.fdopen(out, encoding="utf-8", errors="replace") as output:
        with theirs:
            socket.send_fds(_server(os.getpid()), [json.dumps(asked).encode()], [into, theirs.fileno()])
        os.close(into)
        pid, late = int(ours.recv(LARGEST)), Event()
        timer = Timer(timeout, _kill, (pid, late))
        timer.start()
        try:
            said = output.read()
            status = int(ours.recv(LARGEST))
        finally:
            timer.cancel()
    if late.is_set():
        raise subprocess.TimeoutExpired(command, timeout, said)
    return status, said


def _kill(pid: int, late: Event) -> None:
    late.set()
    os.kill(pid, signal.SIGKILL)


def start() -> None:
    """Start it, if this process has not yet: later it costs the first command the time."""
    _server(os.getpid())


@cache
def _server(_pid: int) -> socket.socket:
    """Start it, once for a process, with which it ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
    with theirs:
        words = [sys.executable, "-P", __file__, str(theirs.fileno())]
        environ = {name: value for name, value in os.environ.items() if name != FREE and not name.startswith("PYTEST_")}
        process = subprocess.Popen(words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environ)
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def serve(asked: socket.socket) -> None:
    """Become what is asked for, until the one that asks is gone."""
    _import_all()
    gc.collect()
    # What is there now stays: children share its pages as long as nothing writes into them.
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(asked, LARGEST, 2)
        if not message:
            return
        if os.fork() == 0:
            asked.close()
            if (wanted := _child(message, *descriptors)) is not None:
                _become(**wanted)
            os._exit(0)
        for each in descriptors:
            os.close(each)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _child(message: bytes, output: int, answers: int) -> dict[str, Any] | None:
    """Fork a second time: the child returns what it is to become, its parent tells how it ends, and returns None."""
    with socket.socket(fileno=answers) as answer:
        pid = os.fork()
        if pid == 0:
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            return dict(json.loads(message))
        os.close(output)
        answer.send(str(pid).encode())
        answer.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    return None


def _become(words: list[str], cwd: str, environ: dict[str, str]) -> NoReturn:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    sys.dont_write_bytecode = bool(environ.get(FREE))
    # As `python -m` has it; its own file replaces the first of the words.
    sys.path.insert(0, cwd)
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    sys.exit()


def _import_all() -> None:
    """Import it in a session of pytest, which rewrites what it would rewrite in each of them.

    Byte code is written, which is half of the time of sessions that are started without us: those of tests write none,
    because tests change files faster than it would notice.
    """
    # Not imported for it: pytest rewrites nothing that is there before its session.
    for folder in getattr(find_spec("kharness"), "submodule_search_locations", None) or ():
        compileall.compile_dir(folder, quiet=2)
    with tempfile.TemporaryDirectory(prefix="warm-") as place, open(os.devnull, "w") as nowhere:  # noqa: PTH123
        test = Path(place, "test_imports.py")
        test.write_text(IMPORTS)
        with redirect_stdout(nowhere):
            status = pytest.main(
                ["-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--rootdir", place, str(test)]
            )
        assert status == 0
    del sys.modules["test_imports"]


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

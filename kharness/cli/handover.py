"""Hand the terminal over to the docker client, which replaces this process.

The client handles raw terminals, window sizes and signals; its exit status, that of the command, becomes ours.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import NoReturn

from kharness.cli.streams import BY_SIGNAL
from kharness.errors import HostError
from kharness.ops.harness import Harness

PROGRAM = "docker"
MISSING = (
    "the docker client is not installed, and a terminal in a container needs it: "
    "'apt-get install -y docker-cli', or docker.io where there is no such package"
)


def hand_over(harness: Harness, words: tuple[str, ...]) -> NoReturn:
    """Become `docker WORDS`, on the harness's engine; `HostError` where there is no docker client."""
    program = _program()
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores SIGPIPE, and the client would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execv(program, [PROGRAM, *engine_words(harness), *words])  # noqa: S606 - as found, and without a shell
    except OSError as error:
        raise HostError(f"{program}: cannot be run: {error.strerror}") from error


def lend(harness: Harness, words: tuple[str, ...]) -> int:
    """Let `docker WORDS` have the terminal until it ends, or until ctrl-c or SIGTERM, which end it and nothing else.

    Returns its status, or 128 and the signal's number, as shells do. A client that is attached to a container without a
    terminal would wait for the container's end.
    """
    command = client_command(harness, words)
    ended: list[int] = []
    try:
        with subprocess.Popen(command) as client:  # noqa: S603 - as found, and without a shell

            def end(number: int, _frame: object) -> None:
                ended.append(number)
                client.kill()

            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, end)
            status = client.wait()
    except OSError as error:
        raise HostError(f"{command[0]}: cannot be run: {error.strerror}") from error
    return BY_SIGNAL + ended[0] if ended else status


def client_command(harness: Harness, words: tuple[str, ...]) -> list[str]:
    """Return the command that is `docker WORDS` on the harness's engine; `HostError` where there is no client."""
    return [_program(), *engine_words(harness), *words]


def _program() -> str:
    found = shutil.which(PROGRAM)
    if found is None:
        raise HostError(MISSING)
    return found


def engine_words(harness: Harness) -> tuple[str, ...]:
    """Return the options that lead the client to the same engine; none if it finds that engine by itself."""
    endpoint = harness.engine.facts().endpoint
    address = endpoint if endpoint.startswith("unix://") else harness.host.engine
    return ("--host", address) if address else ()


def terminal_words() -> tuple[str, ...]:
    """Return the options for standard input, and for a terminal if there is one."""
    return ("--interactive", "--tty") if is_terminal() else ("--interactive",)


def is_terminal() -> bool:
    """Whether standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()

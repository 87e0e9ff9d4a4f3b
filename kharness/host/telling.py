"""Hand a text to a command, and never wait for it for long."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress


def tell_command(argv: Sequence[str], text: str, *, timeout: float) -> str:
    """Run a command with the text on its standard input; returns what went wrong, and empty where nothing did.

    After `timeout` seconds it is killed, with whatever it has started. Its output is shown only where it failed.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the host's own configuration names it, and no shell reads it
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return f"{argv[0]}: {error.strerror}"
    with process:
        try:
            said, _ = process.communicate(text, timeout=timeout)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return f"{argv[0]}: did not end within {timeout:g} s, and was killed"
    if process.returncode:
        last = said.strip().splitlines()[-1:] or ["it printed nothing"]
        return f"{argv[0]}: ended with status {process.returncode}: {last[0]}"
    return ""

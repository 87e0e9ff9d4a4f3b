"""The project's own pytest configuration; container directories and tests bring theirs."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Let SIGINT end the suite, and whatever tests start, also where a shell has started it in the background.

    A shell without job control starts a background job with SIGINT ignored, and Python leaves it at that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

"""Live progress: a line for each thing that begins or ends, and on a terminal a status line for what takes long.

Threads only queue; the main thread prints where no test's output is being captured. Details begin with a space: they
go to the status line, or without a terminal are printed every 10 seconds, to show that something still moves.
"""

from __future__ import annotations

import queue
import shutil
import sys
import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest

from kharness.errors import visible
from kharness.report.table import cut, printable

HEARTBEAT = 10.0
"""Seconds between two details where there is no terminal."""
FRAMES, FRAME = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", 0.1
"""The frames of the status line's wheel, and seconds for each."""
NARROWEST = 20
"""Columns that a terminal is taken to have at the least."""


class Progress:
    """Prints what the pipeline reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._queue: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._status = ""
        self._shown = False
        self._spoken = time.monotonic()
        self._printing = threading.Lock()
        self._tty = sys.stdout.isatty()
        self._pump: threading.Thread | None = None
        self._pumped: Future[None] = Future()

    def report(self, who: str, what: str) -> None:
        """Take a report from any thread."""
        # Among them are lines that a build or a container printed.
        self._queue.put((who, visible(what)))

    def pump(self) -> None:
        """Print from a thread of its own until `stop`: under xdist the controller captures nothing."""
        self._pumped = Future()
        self._pump = threading.Thread(target=self.wait, args=(self._pumped,), daemon=True)
        self._pump.start()

    def stop(self) -> None:
        """Print what is left and take the status line away."""
        if self._pump is not None:
            self._pumped.set_result(None)
            self._pump.join()
            self._pump = None
        self.drain(animate=False)

    def wait(self, future: Future[Any]) -> None:
        """Print what comes until the future is done; called where it is safe to print."""
        future.add_done_callback(lambda _: self._queue.put(None))
        while not future.done():
            try:
                self._print(self._queue.get(timeout=FRAME if self._tty and self._status else None))
            except queue.Empty:
                with self._printing:
                    self._animate()

    def drain(self, *, animate: bool = True) -> None:
        """Print what has come; called by the main thread where it is safe."""
        while True:
            try:
                self._print(self._queue.get_nowait())
            except queue.Empty:
                break
        with self._printing:
            if animate and self._tty and self._status:
                self._animate()
            elif not animate:
                self._clear()
                self._status = ""

    def _print(self, report: tuple[str, str] | None) -> None:
        if report is None:
            return
        who, what = report
        with self._printing:
            if what.startswith(" "):
                self._status = f"{who}: {what.strip()}"
                self._speak_now_and_then()
            else:
                self._status = f"{who}: {what}" if who else what
                self._line(who, what)

    def _speak_now_and_then(self) -> None:
        if not self._tty and time.monotonic() - self._spoken >= HEARTBEAT:
            self._line("", self._status)

    def _line(self, who: str, what: str) -> None:
        self._clear()
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None:
            return
        self._spoken = time.monotonic()
        reporter.ensure_newline()
        # xdist and the percentage at the end write around the reporter.
        writer = self._config.get_terminal_writer()
        if writer.width_of_current_line:
            writer.line()
        reporter.write(f"{who or 'kharness'}", cyan=True)
        reporter.line(f": {what}")
        reporter.flush()

    def _animate(self) -> None:
        frame = FRAMES[int(time.monotonic() / FRAME) % len(FRAMES)]
        # The last column stays free: a full line would wrap, and the next line is not cleared again.
        room = max(NARROWEST, shutil.get_terminal_size().columns) - 3
        sys.stdout.write(f"\r\x1b[K{frame} {cut(printable(self._status), room)}")
        sys.stdout.flush()
        self._shown = True

    def _clear(self) -> None:
        if self._shown:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
            self._shown = False

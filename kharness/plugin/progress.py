"""Live progress: a line for each thing that begins or ends, and on a terminal a status line for what takes long.

Threads only queue; the main thread prints where no test's output is being captured. Details begin with a space: they
go to the status line, or out of a terminal, every now and then, to show that something still moves.
"""

from __future__ import annotations

import queue
import sys
import threading
import time

import pytest

HEARTBEAT = 10.0
"""Seconds between two details where there is no terminal."""
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
WIDTH = 100


class Progress:
    """Prints what the pipeline reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._queue: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._status = ""
        self._shown = False
        self._spoken = time.monotonic()
        self._printing = threading.Lock()
        self._tty = sys.stdout.isatty()
        self._pump: threading.Thread | None = None
        self._pumping = threading.Event()

    def report(self, who: str, what: str) -> None:
        """Take a report from any thread."""
        self._queue.put((who, what))

    def pump(self) -> None:
        """Print from a thread of its own until `drain` ends it: under xdist the controller captures nothing."""
        self._pump = threading.Thread(target=self._run, daemon=True)
        self._pumping.set()
        self._pump.start()

    def stop(self) -> None:
        """Print what is left and take the status line away."""
        self._pumping.clear()
        if self._pump is not None:
            self._pump.join()
            self._pump = None
        self.drain(animate=False)

    def drain(self, *, animate: bool = True) -> None:
        """Print what has come; called by the main thread where it is safe."""
        with self._printing:
            while not self._queue.empty():
                who, what = self._queue.get()
                if what.startswith(" "):
                    self._status = f"{who}: {what.strip()}"
                    self._speak_now_and_then()
                else:
                    self._status = f"{who}: {what}" if who else what
                    self._line(who, what)
            if animate and self._tty and self._status:
                self._animate()
            elif not animate:
                self._clear()
                self._status = ""

    def _run(self) -> None:
        while self._pumping.is_set():
            self.drain()
            time.sleep(0.1)

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
        # Not the reporter's doing: xdist's, and the percentage at the end.
        writer = self._config.get_terminal_writer()
        if writer.width_of_current_line:
            writer.line()
        reporter.write(f"{who or 'kharness'}", cyan=True)
        reporter.line(f": {what}")
        reporter.flush()

    def _animate(self) -> None:
        frame = FRAMES[int(time.monotonic() * 10) % len(FRAMES)]
        sys.stdout.write(f"\r\x1b[K{frame} {self._status[:WIDTH]}")
        sys.stdout.flush()
        self._shown = True

    def _clear(self) -> None:
        if self._shown:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
            self._shown = False

"""Let people see what goes on with many containers: a board on a terminal, elsewhere a line for each event."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import click

from kharness.cli.opening import COLOURS, tell
from kharness.host.outputs import last_lines
from kharness.plan.outcome import Outcome
from kharness.report.fleet import Row, board, ended_text, said_last
from kharness.report.released import Line

EVERY = 0.1
"""Seconds between two pictures."""
RECENT = 10
"""Lines among which the last one with words is looked for."""
UP, CLEAR = "\x1b[{}A", "\r\x1b[J"
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Lines:
    """Tells each event on standard error."""

    def begun(self, name: str) -> None:
        """Nothing: it says what it does."""

    def told(self, name: str, what: str) -> None:
        """Tell it; details are in the log."""
        if not what.startswith(" "):
            self._tell(name, what)

    def ended(self, outcome: Outcome) -> None:
        """Tell how it ended."""
        self._tell(outcome.name, ended_text(outcome))

    def tick(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def _tell(self, name: str, what: str) -> None:
        with suppress(BrokenPipeError):  # nobody looks on any more
            tell(name, what)


class Board:
    """Draws a line for each container on standard error, over the picture before; at the end it is gone."""

    def __init__(self, names: Iterable[str], *, logs: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._rows = {name: Row(name=name) for name in names}
        self._logs = logs
        self._clock = clock
        self._drawn = 0
        self._due = 0.0
        self._silent = set(self._rows)
        self._colours = not os.environ.get("NO_COLOR")
        self._write(HIDE)

    def begun(self, name: str) -> None:
        """Let its clock run."""
        self._rows[name].began = self._clock()
        self._rows[name].what = ""
        self.tick()

    def told(self, name: str, what: str) -> None:
        """Show what it does."""
        self._rows[name].what = what
        self._silent.discard(name)

    def ended(self, outcome: Outcome) -> None:
        """Show how it ended."""
        self._rows.setdefault(outcome.name, Row(name=outcome.name)).outcome = outcome

    def tick(self) -> None:
        """Draw, now and then."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + EVERY
        for name in self._silent:
            # A program tells nothing; what it prints says what it does.
            if self._rows[name].working and (said := said_last(last_lines(self._logs / f"{name}.log", RECENT))):
                self._rows[name].what = said
        size = shutil.get_terminal_size()
        lines = board(self._rows.values(), columns=size.columns, lines=size.lines, now=self._clock())
        drawn = "\n".join(map(self._styled, lines))
        self._write(f"{self._back()}{drawn}")
        self._drawn = len(lines)

    def close(self) -> None:
        """Take the picture away."""
        self._write(f"{self._back()}{SHOW}")
        self._drawn = 0

    def _styled(self, line: Line) -> str:
        colour = COLOURS.get(line.tone)
        return click.style(line.text, fg=colour) if colour and self._colours else line.text

    def _back(self) -> str:
        return (UP.format(self._drawn - 1) if self._drawn > 1 else "") + CLEAR

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal has gone
            sys.stderr.write(text)
            sys.stderr.flush()


def watching(names: Iterable[str], *, logs: Path) -> Lines | Board:
    """Return what shows it to whoever looks on."""
    can_draw = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return Board(names, logs=logs) if can_draw else Lines()

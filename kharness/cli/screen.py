"""A terminal's whole screen, drawn again and again in place, and given back as it was."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from kharness.cli.statuses import BY_SIGNAL

# The alternate screen without a cursor, and back, console_codes(4) and xterm's control sequences.
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[2J", "\x1b[?25h\x1b[?1049l"
HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


class Screen:
    """What is drawn on; `whole_screen` gives one."""

    def __init__(self) -> None:
        self._changed = threading.Event()

    @property
    def size(self) -> tuple[int, int]:
        """Its width and its height now."""
        width, height = shutil.get_terminal_size()
        return width, height

    def draw(self, lines: Sequence[str]) -> None:
        """Show lines that are no wider than it; those below its end are not shown."""
        shown = f"{REST_OF_LINE}\r\n".join(lines[: self.size[1]])
        # In one piece, and over what is there: nothing flickers.
        sys.stdout.write(f"{HOME}{shown}{REST_OF_LINE}{REST_OF_SCREEN}")
        sys.stdout.flush()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the window has another size."""
        self._changed.wait(seconds)
        self._changed.clear()

    def resized(self, _number: int, _frame: FrameType | None) -> None:
        """End a wait."""
        self._changed.set()


@contextmanager
def whole_screen() -> Iterator[Screen]:
    """Take the screen, and give it back whatever happens; SIGTERM and SIGHUP end it as `SystemExit`."""
    screen = Screen()

    def end(number: int, _frame: FrameType | None) -> None:
        sys.exit(BY_SIGNAL + number)

    handlers = {signal.SIGTERM: end, signal.SIGHUP: end, signal.SIGWINCH: screen.resized}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        sys.stdout.write(ENTER)
        sys.stdout.flush()
        yield screen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.stdout.write(LEAVE)
        sys.stdout.flush()

"""`kharness status`: each container at a glance, once or on a whole screen that is drawn again in place."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType

import click

from kharness.cli.choice import Chosen, Opened, choose, everything, in_production, open_compose_project
from kharness.cli.here import complete_names, open_here
from kharness.cli.output import COLOURS, duration
from kharness.cli.streams import BY_SIGNAL, INTERRUPTED
from kharness.errors import EngineError, KharnessError, UsageError
from kharness.ops.fleet.status import Statuses, scan_now, statuses
from kharness.ops.harness import Harness
from kharness.plan.facts import UsageFacts
from kharness.report.fleet import status_lines, status_value
from kharness.report.release import Line

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
    """Take the screen, and give it back in any case; SIGTERM and SIGHUP end it as `SystemExit`."""
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


NO_TERMINAL = "--watch draws on a terminal; 'watch kharness status' and 'kharness status --json' go without"


@click.command("status")
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--watch", "-w", is_flag=True, help="Refresh until ctrl-c.")
@click.option("--every", callback=duration, default="2s", show_default=True, help="The time between two refreshes.")
@click.option("--scan", is_flag=True, help="Scan for drift first; cowscan and watch do it, too.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, ages in seconds, bytes, processors.")
def status_command(names: tuple[str, ...], *, watch: bool, every: float, scan: bool, as_json: bool) -> None:
    """Show every container at a glance.

    Or only NAMES: state, age of the image, whether :latest is newer than :live, last drift scan and test, memory and
    cpu. A narrow terminal shows fewer columns. Settings that cannot be read are reported below.

    \b
    Examples:
      kharness status
      kharness status --watch --every 5s
    """
    if watch and (as_json or not sys.stdout.isatty()):
        raise UsageError(NO_TERMINAL)
    looks = _looks(names)
    if watch:
        try:
            _watch(looks, every=every, scan=scan)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
    if scan:
        looks.scan()
    found, now = looks.now(), time.time()
    if as_json:
        click.echo(json.dumps([status_value(each, now=now) for each in found.lines], indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in _styled(status_lines(found.lines, now=now, width=width)):
            click.echo(line)
        if not found.lines:
            click.echo("there is no container directory, and nothing of production", err=True)
    for note in (*map(str, found.broken.values()), *found.notes):
        click.echo(note, err=True)


@dataclass(frozen=True, kw_only=True)
class _Looks:
    """The projects whose status is shown, each with the names that were asked for; without names, all of it."""

    projects: tuple[tuple[Opened[Harness], tuple[str, ...]], ...]
    broken: Mapping[str, KharnessError] = field(default_factory=dict)

    def scan(self) -> None:
        for opened, names in self.projects:
            scan_now(opened.view, names)

    def now(self, *, before: Mapping[str, UsageFacts] | None = None) -> Statuses:
        """Return all lines, by the names that commands know."""
        found = [(opened, statuses(opened.view, names, before=before)) for opened, names in self.projects]
        return Statuses(
            lines=tuple(
                replace(line, listed=replace(line.listed, name=opened.called(line.listed.name)))
                for opened, of_one in found
                for line in of_one.lines
            ),
            broken={opened.called(name): error for opened, one in found for name, error in one.broken.items()},
            notes=(
                *(opened.text(note) for opened, of_one in found for note in of_one.notes),
                *map(str, self.broken.values()),
            ),
            usages={key: usage for _, of_one in found for key, usage in of_one.usages.items()},
        )


def _looks(names: tuple[str, ...]) -> _Looks:
    if not names:
        known = everything(open_here, open_compose_project)
        return _Looks(projects=tuple((opened, ()) for opened in known.opened), broken=known.broken)
    found: dict[str, tuple[Chosen[Harness], tuple[str, ...]]] = {}
    for text in names:
        chosen = choose(text, gone=in_production)
        key = chosen.project.name if chosen.project else ""
        first, before = found.get(key, (chosen, ()))
        found[key] = (first, (*before, *chosen.names))
    return _Looks(projects=tuple(found.values()))


def _watch(looks: _Looks, *, every: float, scan: bool) -> None:
    found, problem = Statuses(lines=()), ""
    with whole_screen() as screen:
        while True:
            try:
                if scan:
                    looks.scan()
                found, problem = looks.now(before=found.usages), ""
            except EngineError as error:
                # It may be started again: what was seen before stays.
                problem = str(error).partition("\n")[0]
            width, height = screen.size
            screen.draw(_page(found, problem, every=every, width=width, height=height))
            screen.wait(every)


def _page(found: Statuses, problem: str, *, every: float, width: int, height: int) -> list[str]:
    now = time.time()
    title = f"{time.strftime('%H:%M:%S', time.localtime(now))}, every {every:g} s, ctrl-c ends"
    head = [Line(f"{title}: {problem}" if problem else title, "bad" if problem else "detail")]
    table = [*status_lines(found.lines, now=now, width=width)]
    notes = [
        Line(line, "bad") for note in (*map(str, found.broken.values()), *found.notes) for line in note.splitlines()
    ]
    room = height - len(head) - min(len(notes), height // 4)
    if len(table) > room:
        table = [*table[: room - 1], Line(f"and {len(table) - room + 1} more lines")]
    return list(_styled(Line(line.text[:width], line.tone) for line in (*head, *table, *notes)))


def _styled(lines: Iterable[Line]) -> Iterable[str]:
    for line in lines:
        yield click.style(line.text, fg=COLOURS.get(line.tone), bold=line.tone == "heading" or None)

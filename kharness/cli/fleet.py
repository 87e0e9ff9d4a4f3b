"""What commands over many containers share: their options, the progress that they show, and how they report results."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from kharness.cli.choice import everything, open_compose_project
from kharness.cli.here import open_here, recovered
from kharness.cli.output import COLOURS, duration, print_table, show, tell
from kharness.cli.streams import BY_SIGNAL
from kharness.errors import KharnessError, UsageError
from kharness.host.fleet.children import last_lines
from kharness.ops.fleet.course import Conducted, Fleet, Group, ProgressView, conduct
from kharness.ops.fleet.groups import join_groups, plan_group
from kharness.ops.fleet.members import Options
from kharness.ops.harness import Harness
from kharness.plan.fleet.course import End, JobResult, held_by, stages
from kharness.report.fleet import RESULTS, Row, board, detail_lines, ended_text, last_words, result_row, result_value
from kharness.report.release import Line

EVERY = 0.1
"""Seconds between two drawings."""
RECENT = 10
"""How many lines of a log are searched for the last with words."""
UP, CLEAR = "\x1b[{}A", "\r\x1b[J"
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class ProgressLines(ProgressView):
    """Prints each event on standard error."""

    def reported(self, name: str, what: str) -> None:
        """Print it, without details: they are in the log."""
        if not what.startswith(" "):
            self._tell(name, what)

    def ended(self, result: JobResult) -> None:
        """Print how it ended."""
        self._tell(result.name, ended_text(result))

    def _tell(self, name: str, what: str) -> None:
        with suppress(BrokenPipeError):  # the reader has gone
            tell(name, what)


class ProgressBoard(ProgressView):
    """Draws a line for each container on standard error, over the last drawing; `close` erases it."""

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
        """Start its clock."""
        self._rows[name].began = self._clock()
        self._rows[name].what = ""
        self.tick()

    def reported(self, name: str, what: str) -> None:
        """Show what it does."""
        self._rows[name].what = what
        self._silent.discard(name)

    def ended(self, result: JobResult) -> None:
        """Show how it ended."""
        self._rows.setdefault(result.name, Row(name=result.name)).result = result

    def tick(self) -> None:
        """Redraw, at most every `EVERY` seconds."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + EVERY
        for name in self._silent:
            # A program reports nothing; its output shows what it does.
            if self._rows[name].working and (words := last_words(last_lines(self._logs / f"{name}.log", RECENT))):
                self._rows[name].what = words
        size = shutil.get_terminal_size()
        lines = board(self._rows.values(), columns=size.columns, lines=size.lines, now=self._clock())
        drawn = "\n".join(map(self._styled, lines))
        self._write(f"{self._back()}{drawn}")
        self._drawn = len(lines)

    def close(self) -> None:
        """Erase the drawing."""
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


def watching(names: Iterable[str], *, logs: Path) -> ProgressView:
    """Return a board for a terminal, else lines."""
    can_draw = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return ProgressBoard(names, logs=logs) if can_draw else ProgressLines()


Command = TypeVar("Command", bound=Callable[..., Any])

keep_going_option = click.option("--keep-going", "-k", is_flag=True, help="Hold back only what needs what failed.")


@dataclass(frozen=True, kw_only=True)
class GroupOptions:
    """The options that all commands over many containers have."""

    parallel: int | None
    timeout: float | None
    dry_run: bool
    as_json: bool


def group_options(command: Command) -> Command:
    """Add the options that all groups have; the command gets them as `shared`."""

    def called(
        *args: Any, parallel: int | None, timeout: float | None, dry_run: bool, as_json: bool, **more: Any
    ) -> Any:
        shared = GroupOptions(parallel=parallel, timeout=timeout, dry_run=dry_run, as_json=as_json)
        return command(*args, shared=shared, **more)

    called.__doc__ = command.__doc__
    called.__click_params__ = list(getattr(command, "__click_params__", []))  # type: ignore[attr-defined]
    for option in (
        click.option("--json", "as_json", is_flag=True, help="For programs: everything."),
        click.option("--dry-run", is_flag=True, help="Only say what would be done, and in which order."),
        click.option("--timeout", callback=duration, metavar="DURATION", help="Stop what takes longer."),
        click.option("--parallel", type=click.IntRange(min=1), metavar="N", help="So many at a time."),
    ):
        option(called)
    return called  # type: ignore[return-value]


def run_group(
    name: str,
    shared: GroupOptions,
    options: Options,
    *,
    acts: bool = True,
    summary: bool = True,
    before: Callable[[JobResult], None] = lambda _: None,
) -> NoReturn:
    """Carry out the group of that name, report the results, and end the command: status 0 if all is well.

    A group that `acts` on production first recovers what an earlier command left unfinished. `before` prints a
    container's result ahead of the summary; without `summary` there is one only where something failed.
    """
    known = everything(open_here, open_compose_project)
    if not known.broken and not any(opened.view.catalog.directories for opened in known.opened):
        raise UsageError("there is no container directory: no source path holds any")
    if acts and not shared.dry_run:
        for opened in known.opened:
            recovered(opened.view)
    broken: dict[str, KharnessError] = dict(known.broken)
    groups: dict[str, Group] = {}
    for opened in known.opened:
        settings, unread = opened.view.fleet()
        options = replace(options, timeout=shared.timeout, logs=known.opened[0].view.output)
        prefix = opened.called("")
        groups[prefix] = plan_group(name, Fleet(harness=opened.view, settings=settings), options)
        broken |= (
            {opened.called(each): error for each, error in unread.items()} if groups[prefix].needs_settings else {}
        )
    group = join_groups(groups) if groups else None
    if group is None:
        raise UsageError("\n".join(map(str, broken.values())))
    harnesses = tuple(opened.view for opened in known.opened)
    done = Conducted(results=tuple(_would(group))) if shared.dry_run else _conduct(group, harnesses, shared.parallel)
    results = tuple(sorted(done.results, key=_place(group)))
    ok = not broken and all(result.end is End.DONE for result in results)
    if shared.as_json:
        _print_json(group, results, broken, ok=ok)
    else:
        for result in () if shared.dry_run else results:
            before(result)
        _print(group, results, broken, summary=summary or shared.dry_run or not ok)
        if not results:
            click.echo(group.nothing, err=True)
        if ok and results and summary and not shared.dry_run:
            click.secho("all ok", fg="green")
    sys.exit(BY_SIGNAL + done.signal if done.signal is not None else 0 if ok else 1)


def _conduct(group: Group, harnesses: tuple[Harness, ...], parallel: int | None) -> Conducted:
    harness, logs = harnesses[0], harnesses[0].output
    watch = watching((step.name for step in group.course.steps), logs=logs / group.command)
    # Each process makes its own connection; some kinds have threads.
    for each in harnesses:
        each.engine.close()
    # The collector of each process would copy all pages of the objects that exist now.
    gc.freeze()
    try:
        return conduct(group, logs=logs, parallel=parallel or harness.host.launch_parallel, watch=watch)
    finally:
        watch.close()


def _would(group: Group) -> Iterator[JobResult]:
    for name, reason in group.course.impossible.items():
        yield JobResult(name=name, end=End.FAILED, text=reason, wave=group.course.waves[name])
    ends: dict[str, End] = {}
    for step in group.course.steps:
        try:
            held = held_by(group.course, step, ends, hold=group.hold)
            text, end = (held, End.HELD) if held else (group.would(step.name), End.DONE)
        except KharnessError as error:
            text, end = str(error), End.FAILED
        ends[step.name] = end
        yield JobResult(name=step.name, end=end, text=text, wave=step.wave)


def _place(group: Group) -> Callable[[JobResult], tuple[int, str]]:
    places = {step.name: number for number, stage in enumerate(stages(group.course)) for step in stage}
    return lambda result: (places.get(result.name, -1), result.name)


def _print_json(group: Group, results: tuple[JobResult, ...], broken: Mapping[str, KharnessError], *, ok: bool) -> None:
    found = {
        "command": group.command,
        "ok": ok,
        "containers": [result_value(result) for result in results],
        "broken": {name: str(error) for name, error in broken.items()},
        "left_out": dict(group.left_out),
    }
    click.echo(json.dumps(found, indent=2))


def _print(group: Group, results: tuple[JobResult, ...], broken: Mapping[str, KharnessError], *, summary: bool) -> None:
    unread = [(name, "", "settings broken", "") for name in broken]
    print_table(RESULTS, [*map(result_row, results), *unread] if summary else ())
    show(detail_lines(results))
    for name, reason in group.left_out.items():
        click.echo(f"{name}: {reason}", err=True)
    for error in broken.values():
        click.secho(str(error), fg="red", err=True)

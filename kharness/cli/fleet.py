"""What commands over many containers share: their options, and how they tell what became of each."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import click

from kharness.cli.duration import duration
from kharness.cli.opening import open_here, open_to_act, show
from kharness.cli.statuses import BY_SIGNAL
from kharness.cli.table import print_table
from kharness.cli.watching import watching
from kharness.errors import KharnessError, SettingsError, UsageError
from kharness.ops.fleet import Conducted, Group, conduct
from kharness.ops.groups.fleet import Fleet
from kharness.ops.harness import Harness
from kharness.plan.fleet import End, held_by, stages
from kharness.plan.outcome import Outcome, Result
from kharness.report.fleet import COLUMNS, detail_lines, outcome_row, outcome_value

Command = TypeVar("Command", bound=Callable[..., Any])

keep_going_option = click.option("--keep-going", "-k", is_flag=True, help="Hold back only what needs what failed.")


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a group is worked on, as its options say."""

    parallel: int | None
    timeout: float | None
    dry_run: bool
    as_json: bool


def group_options(command: Command) -> Command:
    """Add the options that all groups have; the command gets a `manner`."""

    def called(
        *args: Any, parallel: int | None, timeout: float | None, dry_run: bool, as_json: bool, **more: Any
    ) -> Any:
        manner = Manner(parallel=parallel, timeout=timeout, dry_run=dry_run, as_json=as_json)
        return command(*args, manner=manner, **more)

    called.__doc__ = command.__doc__
    called.__click_params__ = list(getattr(command, "__click_params__", []))  # type: ignore[attr-defined]
    for option in (
        click.option("--json", "as_json", is_flag=True, help="For programs: everything."),
        click.option("--dry-run", is_flag=True, help="Only say what would be done, and in which order."),
        click.option(
            "--timeout",
            callback=duration,
            metavar="DURATION",
            help="Stop what takes longer.",
        ),
        click.option("--parallel", type=click.IntRange(min=1), metavar="N", help="So many at a time."),
    ):
        option(called)
    return called  # type: ignore[return-value]


def run_group(
    manner: Manner,
    choose: Callable[[Fleet], Group],
    *,
    acts: bool = True,
    summary: bool = True,
    before: Callable[[Outcome], None] = lambda _: None,
) -> NoReturn:
    """Do what a group is for, tell what became of it, and end the command: 0 where all is well.

    What `acts` on production takes up first what an earlier command left. `before` tells of each container what comes
    before the summary; without `summary` there is one only where something is not well.
    """
    harness = open_to_act() if acts and not manner.dry_run else open_here()
    if not harness.catalog.directories:
        raise UsageError("there is no container directory: no source path holds any")
    settings, unread = harness.fleet()
    group = choose(Fleet(harness=harness, settings=settings))
    broken = unread if group.needs_settings else {}
    done = Conducted(outcomes=tuple(_would(group))) if manner.dry_run else _conduct(group, harness, manner.parallel)
    outcomes = tuple(sorted(done.outcomes, key=_place(group)))
    ok = not broken and all(outcome.result is Result.DONE for outcome in outcomes)
    if manner.as_json:
        _print_json(group, outcomes, broken, ok=ok)
    else:
        for outcome in () if manner.dry_run else outcomes:
            before(outcome)
        _print(group, outcomes, broken, summary=summary or manner.dry_run or not ok)
        if not outcomes:
            click.echo("there is nothing to do", err=True)
        if ok and summary and not manner.dry_run:
            click.secho("all ok", fg="green")
    sys.exit(BY_SIGNAL + done.signal if done.signal is not None else 0 if ok else 1)


def _conduct(group: Group, harness: Harness, parallel: int | None) -> Conducted:
    logs = harness.output
    watch = watching((step.name for step in group.course.steps), logs=logs / group.command)
    # Each process makes its own connection; some kinds have threads of their own.
    harness.engine.close()
    # What is there already is nobody's garbage: looked through in each process, each would get a copy of it.
    gc.freeze()
    try:
        return conduct(group, logs=logs, parallel=parallel or harness.host.launch_parallel, watch=watch)
    finally:
        watch.close()


def _would(group: Group) -> Iterator[Outcome]:
    for name, reason in group.course.impossible.items():
        yield Outcome(name=name, result=Result.FAILED, text=reason, wave=group.course.waves[name])
    ends: dict[str, End] = {}
    for step in group.course.steps:
        try:
            held = held_by(group.course, step, ends, hold=group.hold)
            text, result = (held, Result.HELD) if held else (group.would(step.name), Result.DONE)
        except KharnessError as error:
            text, result = str(error), Result.FAILED
        ends[step.name] = {Result.DONE: End.DONE, Result.HELD: End.HELD}.get(result, End.FAILED)
        yield Outcome(name=step.name, result=result, text=text, wave=step.wave)


def _place(group: Group) -> Callable[[Outcome], tuple[int, str]]:
    places = {step.name: number for number, stage in enumerate(stages(group.course)) for step in stage}
    return lambda outcome: (places.get(outcome.name, -1), outcome.name)


def _print_json(group: Group, outcomes: tuple[Outcome, ...], broken: Mapping[str, SettingsError], *, ok: bool) -> None:
    found = {
        "command": group.command,
        "ok": ok,
        "containers": [outcome_value(outcome) for outcome in outcomes],
        "broken": {name: str(error) for name, error in broken.items()},
        "left_out": dict(group.left_out),
    }
    click.echo(json.dumps(found, indent=2))


def _print(group: Group, outcomes: tuple[Outcome, ...], broken: Mapping[str, SettingsError], *, summary: bool) -> None:
    unread = [(name, "", "settings broken", "") for name in broken]
    print_table(COLUMNS, [*map(outcome_row, outcomes), *unread] if summary else ())
    show(detail_lines(outcomes))
    for name, reason in group.left_out.items():
        click.echo(f"{name}: {reason}", err=True)
    for error in broken.values():
        click.secho(str(error), fg="red", err=True)

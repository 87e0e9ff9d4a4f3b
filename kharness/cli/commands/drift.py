"""Scan running containers for drift, once or at intervals."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from kharness.cli.choice import Chosen, Opened, choose, in_production, open_compose_project
from kharness.cli.choice import everything as all_projects
from kharness.cli.here import complete_names, open_here, recovered
from kharness.cli.output import duration, show, tell
from kharness.errors import KharnessError, StateError, UsageError
from kharness.report.release import Line, reason_lines

if TYPE_CHECKING:
    from kharness.host.machine.pages import Page
    from kharness.ops.drift.scan import ScanTarget
    from kharness.ops.drift.watch import ResponseOptions, Watch
    from kharness.ops.harness import Harness
    from kharness.plan.drift.changes import Action, ScanResult


MOST = 25
"""Changes of a container that are shown, unless all are asked for."""


@click.command("cowscan")
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="Show every change, not only the first of each container.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, as one JSON object.")
@click.option("--snapshot", is_flag=True, help="Save the evidence, before anything else.")
@click.option("--rm", "remove", is_flag=True, help="Remove what was added; --restart is safer.")
@click.option("--accept", is_flag=True, help="Only record what 'drift: {watch: [...]}' names as right.")
@click.option("--restart", is_flag=True, help="Launch a new container from :live.")
@click.option("--dry-run", is_flag=True, help="Only print what --snapshot, --rm, --restart would do.")
def cowscan_command(
    names: tuple[str, ...],
    *,
    everything: bool,
    as_json: bool,
    snapshot: bool,
    remove: bool,
    accept: bool,
    restart: bool,
    dry_run: bool,
) -> None:
    """Scan running containers for changed files.

    Of NAMES, or of all of production: what differs from the image and is not expected by 'drift:' of settings.yaml.
    Volumes are not scanned. Exit status: 0 'all ok', 1 something changed or was not seen.

    \b
    Examples:
      kharness cowscan
      kharness cowscan filewatchdock --snapshot --restart
    """
    from kharness.ops.drift.watch import ResponseOptions, respond
    from kharness.ops.launch.dry_run import would_respond
    from kharness.report.drift import done_lines, done_value, drift_lines, drift_value

    asked = ResponseOptions(snapshot=snapshot, remove=remove, restart=restart)
    scopes = _scopes(names, act=restart and not dry_run)
    if accept:
        _accept_volumes(scopes, names, asked, dry_run=dry_run)
        return
    scans = [(opened, _scan_and_record(opened.view, targets)) for opened, targets in scopes.targets]
    most = None if everything else MOST
    found = _called(scans)
    if not as_json:
        show(drift_lines(found, most=most))
    done: list[Action] = []
    for opened, of_one in scans:
        harness = opened.view
        actions = would_respond(harness, of_one, asked) if dry_run else respond(harness, of_one, asked)
        done += [replace(each, name=opened.called(each.name)) for each in actions]
    if not as_json:
        show(done_lines(done, removed=remove))
    if asked.acts and done and not dry_run:
        found = _called([(opened, _scan_again(opened.view, of_one)) for opened, of_one in scans])
        if not as_json:
            click.echo("afterwards:")
            show(drift_lines(found, most=most))
    if as_json:
        click.echo(json.dumps({**drift_value(found), "done": done_value(done)}, indent=2))
    for error in scopes.broken:
        click.echo(str(error), err=True)
    ok = all(each.ok for each in found) and all(each.good for each in done)
    sys.exit(0 if ok else 1)


@dataclass(frozen=True)
class _Scopes:
    targets: list[tuple[Opened[Harness], tuple[ScanTarget, ...]]]
    broken: tuple[KharnessError, ...] = ()


def _scopes(names: tuple[str, ...], *, act: bool) -> _Scopes:
    """Return what is to be scanned, by project: containers of any name belong to that of container directories."""
    from kharness.ops.drift.scan import chosen, running

    opened: dict[str, Opened[Harness]] = {}
    wanted: dict[str, list[str]] = {}
    broken: tuple[KharnessError, ...] = ()
    if names:
        for text in names:
            found = _chosen_or_any(text)
            key = found.project.name if found.project else ""
            opened.setdefault(key, found)
            up = {target.name for target in running(found.view)} if found.whole else set(found.names)
            wanted.setdefault(key, []).extend(name for name in found.names if name in up)
    else:
        known = all_projects(open_here, open_compose_project)
        opened = {each.project.name if each.project else "": each for each in known.opened}
        broken = tuple(known.broken.values())
    for each in opened.values() if act else ():
        recovered(each.view)
    prefix = sys.stdin.isatty()
    return _Scopes(
        targets=[
            (each, chosen(each.view, wanted[key], prefix=prefix) if names and wanted[key] else _all(each, names))
            for key, each in opened.items()
        ],
        broken=broken,
    )


def _all(opened: Opened[Harness], names: tuple[str, ...]) -> tuple[ScanTarget, ...]:
    from kharness.ops.drift.scan import running

    # A project of which nothing runs has nothing to scan, although it was named.
    return () if names else running(opened.view)


def _chosen_or_any(text: str) -> Chosen[Harness]:
    # Any container on the engine can be scanned, by the name that the engine has for it.
    try:
        return choose(text, gone=in_production)
    except UsageError:
        return Chosen(view=open_here(), names=(text,))


def _called(scans: Sequence[tuple[Opened[Harness], tuple[ScanResult, ...]]]) -> tuple[ScanResult, ...]:
    return tuple(replace(each, name=opened.called(each.name)) for opened, of_one in scans for each in of_one)


def _scan_again(harness: Harness, found: Sequence[ScanResult]) -> tuple[ScanResult, ...]:
    from kharness.ops.drift.scan import chosen

    # By name: a container that was launched again is another one.
    return _scan_and_record(harness, chosen(harness, [each.name for each in found])) if found else ()


def _scan_and_record(harness: Harness, targets: Sequence[ScanTarget]) -> tuple[ScanResult, ...]:
    from kharness.ops.drift.scan import remember, scan

    found = scan(harness, targets)
    try:
        remember(harness, found, at=time.time())
    except StateError as error:
        click.echo(f"'kharness status' will not know of it: {error}", err=True)
    return found


def _accept_volumes(scopes: _Scopes, names: tuple[str, ...], asked: ResponseOptions, *, dry_run: bool) -> None:
    from kharness.ops.drift.scan import accept_volumes
    from kharness.ops.drift.watch import ResponseOptions

    if not names or asked != ResponseOptions() or dry_run:
        raise UsageError("--accept needs the NAMES of containers whose volumes are right, and does nothing else")
    for opened, targets in scopes.targets:
        for name, path, count in accept_volumes(opened.view, targets):
            called, entries = opened.called(name), "entry" if count == 1 else "entries"
            click.echo(f"{called}: {path} is recorded, with {count:,} {entries}")


UNHEALTHY = 503


@click.command("watch")
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--every", callback=duration, default="5m", show_default=True, help="The time between two scans.")
@click.option("--listen", default="127.0.0.1:9321", show_default=True, help="Where /healthz and /metrics are.")
@click.option("--acknowledge", "seen", is_flag=True, help="Only end the alarm of NAMES, or of all.")
@click.option("--dry-run", is_flag=True, help="With --acknowledge: only print the alarm.")
def watch_command(names: tuple[str, ...], *, every: float, listen: str, seen: bool, dry_run: bool) -> None:
    """Scan at intervals, with alarms and metrics.

    As 'kharness cowscan' does. A finding is an alarm until it is acknowledged: /healthz answers 'all ok', or status 503
    and the reasons; /metrics is for Prometheus; the host's 'notify' command gets what is new. Ctrl-c ends it.

    \b
    Examples:
      kharness watch --every 1m
      kharness watch --acknowledge filewatchdock
    """
    from kharness.host.machine.pages import serving
    from kharness.ops.drift.watch import Watch
    from kharness.plan.drift.watch import reasons
    from kharness.report.drift import ALL_OK

    if dry_run and not seen:
        raise UsageError("--dry-run is for --acknowledge: a watch changes nothing")
    harness, names = _watched(names)
    if seen:
        _acknowledge(harness, names, dry_run=dry_run)
        return
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: ended.set())
    signal.signal(signal.SIGINT, lambda _signal, _frame: ended.set())
    watch = Watch(harness, names, every=every)
    with serving(listen, {"/healthz": lambda: _health_page(watch), "/metrics": lambda: _metrics_page(watch)}) as where:
        tell("watch", f"http://{where}/healthz and http://{where}/metrics")
        said: tuple[str, ...] | None = None
        while not ended.is_set():
            watch.step()
            now = reasons(watch.state, now=time.time())
            if now != said:
                said = now
                show((Line("NOT ok:", "bad"), *reason_lines(now)) if now else (Line(ALL_OK, "good"),))
            ended.wait(every)


def _watched(names: tuple[str, ...]) -> tuple[Harness, tuple[str, ...]]:
    """Open the only project that names belong to; without names, that of the current directory."""
    if not names:
        return open_here(), ()
    found = [_chosen_or_any(text) for text in names]
    if len({each.project for each in found}) > 1:
        raise UsageError(f"watch: {', '.join(names)} are of several projects, and each needs a watch of its own")
    return found[0].view, tuple(name for each in found for name in each.names)


def _health_page(watch: Watch) -> Page:
    from kharness.host.machine.pages import Page
    from kharness.plan.drift.watch import reasons
    from kharness.report.drift import ALL_OK

    found = reasons(watch.state, now=time.time())
    return Page("".join(f"{each}\n" for each in found), status=UNHEALTHY) if found else Page(f"{ALL_OK}\n")


def _metrics_page(watch: Watch) -> Page:
    from kharness.host.machine.pages import Page
    from kharness.report.drift import CONTENT_TYPE, metrics

    return Page(metrics(watch.state, now=time.time()), kind=CONTENT_TYPE)


def _acknowledge(harness: Harness, names: tuple[str, ...], *, dry_run: bool) -> None:
    from kharness.ops.drift.watch import acknowledge, alarm_of

    alarm = alarm_of(harness)
    if not alarm and not names:
        raise UsageError("there is nothing to acknowledge")
    if dry_run:
        show(reason_lines(f"{name}: {each}" for name in names or alarm.raised for each in alarm.of(name)))
        return
    for name in acknowledge(harness, names):
        click.echo(f"{name}: acknowledged; what is still there is told again by the next scan")

"""`kharness watch`."""

from __future__ import annotations

import signal
import threading
import time

import click

from kharness.cli.duration import duration
from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, show, tell
from kharness.errors import UsageError
from kharness.host.pages import Page, serving
from kharness.ops.harness import Harness
from kharness.ops.watch import Watch, acknowledge, alarm_of
from kharness.plan.watching import reasons
from kharness.report.drift import ALL_OK
from kharness.report.metrics import CONTENT_TYPE, metrics
from kharness.report.released import Line, reason_lines

UNHEALTHY = 503


@click.command()
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--every", callback=duration, default="5m", show_default=True, help="The time between two scans.")
@click.option("--listen", default="127.0.0.1:9321", show_default=True, help="Where /healthz and /metrics are.")
@click.option("--acknowledge", "seen", is_flag=True, help="Only end the alarm, of NAMES or of all.")
@click.option("--dry-run", is_flag=True, help="With --acknowledge: only say what is not acknowledged yet.")
def command(names: tuple[str, ...], *, every: float, listen: str, seen: bool, dry_run: bool) -> None:
    """Run 'kharness cowscan' at a rate; what it has found once is an alarm until somebody acknowledges it.

    /healthz says 'all ok', or with status 503 why not; /metrics is for Prometheus; the host's 'notify' command is told
    of what is new. It runs until it is interrupted.

    \b
    Examples:
      kharness watch --every 1m
      kharness watch --acknowledge filewatchdock
    """
    harness = open_here()
    if dry_run and not seen:
        raise UsageError("--dry-run is for --acknowledge: a watch changes nothing")
    if seen:
        _acknowledge(harness, names, dry_run=dry_run)
        return
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: ended.set())
    signal.signal(signal.SIGINT, lambda _signal, _frame: ended.set())
    watch = Watch(harness, names, every=every)
    with serving(listen, {"/healthz": lambda: _health(watch), "/metrics": lambda: _metrics(watch)}) as where:
        tell("watch", f"http://{where}/healthz and http://{where}/metrics")
        said: tuple[str, ...] | None = None
        while not ended.is_set():
            watch.step()
            now = reasons(watch.state, now=time.time())
            if now != said:
                said = now
                show((Line("NOT ok:", "bad"), *reason_lines(now)) if now else (Line(ALL_OK, "good"),))
            ended.wait(every)


def _health(watch: Watch) -> Page:
    found = reasons(watch.state, now=time.time())
    return Page("".join(f"{each}\n" for each in found), status=UNHEALTHY) if found else Page(f"{ALL_OK}\n")


def _metrics(watch: Watch) -> Page:
    return Page(metrics(watch.state, now=time.time()), kind=CONTENT_TYPE)


def _acknowledge(harness: Harness, names: tuple[str, ...], *, dry_run: bool) -> None:
    alarm = alarm_of(harness)
    if not alarm and not names:
        raise UsageError("there is nothing to acknowledge")
    if dry_run:
        show(reason_lines(f"{name}: {each}" for name in names or alarm.raised for each in alarm.of(name)))
        return
    for name in acknowledge(harness, names):
        click.echo(f"{name}: acknowledged; what is still there is told again by the next scan")

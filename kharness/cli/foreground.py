"""Stay in the foreground with a production container, or with a development instance, until it ends."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import suppress

import click

from kharness.cli.dryrun import print_commands
from kharness.cli.handover import client_command, is_terminal
from kharness.cli.output import shown_line, tell
from kharness.cli.streams import INTERRUPTED
from kharness.engine.api import Engine
from kharness.ops.harness import Harness
from kharness.ops.session.debug import Development, development, plan_line
from kharness.plan.facts import ContainerFacts
from kharness.settings.catalog import ContainerDir
from kharness.settings.layers import SettingsLayer

PAUSE = 0.2
"""Seconds after which a container is checked again that its restart policy may start."""


def stay(harness: Harness, name: str, container: ContainerFacts) -> int:
    """Show a container's output until it has ended for good; ctrl-c and SIGTERM stop it in order.

    Returns its exit status. Raises `EngineError`, also if its logging driver cannot be read.
    """
    runtime = harness.production.runtime
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tell(name, "ctrl-c stops it")
    last = ""
    try:
        while True:
            for line in runtime.log_lines(container.id, after=last, follow=True):
                click.echo(shown_line(line), err=line.error)
                last = line.at
            now = runtime.container(container.id)
            if now is None or not now.up:
                break
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        tell(name, f"stopping {container.name}; ctrl-c kills it")
        try:
            runtime.stop(container.id)
        except KeyboardInterrupt:
            runtime.kill(container.id, signal="KILL")
        for line in runtime.log_lines(container.id, after=last):
            click.echo(shown_line(line), err=line.error)
    found = runtime.container(container.id)
    return found.exit_code if found else 0


PATIENCE = 1.0
"""Seconds after which a container whose client goes on is stopped again."""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def develop(
    harness: Harness, directory: ContainerDir, above: tuple[SettingsLayer, ...], *, shell: bool, dry_run: bool
) -> int:
    """Launch a development instance, show it until it ends, and remove it; returns its exit status.

    Ctrl-c, SIGTERM and a terminal that is closed stop it in order; ctrl-c again kills it.
    """
    if dry_run:
        spec = plan_line(harness, directory, above=above, shell=shell, tty=is_terminal())
        print_commands(spec)
        return 0
    for number in ENDING[1:]:
        signal.signal(number, signal.default_int_handler)
    try:
        with development(harness, directory, above=above, shell=shell, tty=is_terminal()) as instance:
            try:
                return _attached(instance, watch=not shell)
            finally:
                # Only its removal is left, which must not be interrupted.
                for number in ENDING:
                    signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:
        return INTERRUPTED


def _attached(instance: Development, *, watch: bool) -> int:
    engine, container = instance.harness.engine, instance.created.id
    interactive = instance.spec.stdin_open and (is_terminal() or not instance.spec.tty)
    words = ("start", "--attach", *(("--interactive",) if interactive else ()), container)
    own = interactive and instance.spec.tty
    tell(instance.spec.name, "it goes when its program on this terminal ends" if own else "ctrl-c stops it")
    with subprocess.Popen(  # noqa: S603 - as found, and without a shell
        client_command(instance.harness, words),
        stdin=None if interactive else subprocess.DEVNULL,
        # Otherwise ctrl-c would end the client before it shows the container's last output.
        process_group=None if interactive else 0,
    ) as client:
        try:
            instance.started(lambda: client.poll() is None)
            if watch:
                instance.watch()
            client.wait()
        except KeyboardInterrupt:
            tell(instance.spec.name, "stopping; ctrl-c kills it")
            _stop(engine, container, client)
    found = engine.container(container)
    return found.exit_code if found is not None and found.state == "exited" else client.returncode


def _stop(engine: Engine, container: str, client: subprocess.Popen[bytes]) -> None:
    try:
        engine.stop(container)
    except KeyboardInterrupt:
        engine.kill(container, signal="KILL")
    while client.poll() is None:
        # It may have been about to start.
        with suppress(subprocess.TimeoutExpired):
            client.wait(PATIENCE)
            return
        engine.stop(container)

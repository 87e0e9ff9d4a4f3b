"""Stay with a container: show what it prints until it ends, and stop it where that is wished."""

from __future__ import annotations

import signal
import time

import click

from kharness.cli.opening import tell
from kharness.ops.harness import Harness
from kharness.plan.facts import ContainerFacts

PAUSE = 0.2
"""Seconds before a container that its restart policy starts again is looked at once more."""


def stay(harness: Harness, name: str, container: ContainerFacts) -> int:
    """Show a container's output until it has ended for good, or until ctrl-c or SIGTERM, which stop it in order.

    Returns its exit status. Raises `EngineError`, also where its logging driver lets nobody read.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tell(name, "ctrl-c stops it")
    last = ""
    try:
        while True:
            for line in harness.engine.log_lines(container.id, after=last, follow=True):
                click.echo(line.text, err=line.error)
                last = line.at
            now = harness.engine.container(container.id)
            if now is None or not now.up:
                break
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        tell(name, f"stopping {container.name}; ctrl-c kills it")
        try:
            harness.engine.stop(container.id)
        except KeyboardInterrupt:
            harness.engine.kill(container.id, signal="KILL")
        for line in harness.engine.log_lines(container.id, after=last):
            click.echo(line.text, err=line.error)
    found = harness.engine.container(container.id)
    return found.exit_code if found else 0

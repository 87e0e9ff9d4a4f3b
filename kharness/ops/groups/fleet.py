"""What all groups begin with: the settings of all directories, and the harness of a process of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from kharness.engine.connect import connect_anew
from kharness.host.forked import Tell, Work
from kharness.host.owner import current_owner
from kharness.ops.fleet import Group
from kharness.ops.harness import Harness
from kharness.plan import labels
from kharness.plan.fleet import Hold, plan_course
from kharness.plan.waves import wave_of
from kharness.settings.model import Settings

TIMEOUT = 300.0
"""Seconds for what stops, starts or launches one container."""
UNKNOWN = "is left alone: no source path has its container directory"


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The settings that can be read, and the name of this host."""

    harness: Harness
    settings: Mapping[str, Settings]
    host: str = field(default_factory=socket.gethostname)

    @property
    def broken(self) -> frozenset[str]:
        """The directories whose settings cannot be read."""
        return frozenset(each.name for each in self.harness.catalog.directories) - self.settings.keys()

    def starting(self) -> dict[str, int | None]:
        """Return what starts with this host, each with its wave."""
        found = {name: wave_of(settings, host=self.host) for name, settings in self.settings.items()}
        return {name: wave for name, wave in found.items() if wave is not None}

    def dependencies(self) -> dict[str, tuple[str, ...]]:
        """Return what each must have up first."""
        return {name: tuple(settings.depends_on) for name, settings in self.settings.items()}

    def forked(self, name: str, work: Callable[[Harness], Any]) -> Work:
        """Return work that a forked process does with a harness of its own."""

        def own(tell: Tell) -> Any:
            def report(who: str, what: str) -> None:
                indent = " " * what.startswith(" ")
                tell(what if who in {"", name} else f"{indent}{who}: {what.strip()}")

            known = self.harness
            engine = connect_anew(known.engine, host=known.host.engine, environ=os.environ, home=Path.home())
            return work(replace(known, engine=engine, owner=current_owner(), report=report))

        return own


def in_waves(
    fleet: Fleet,
    command: str,
    work: Callable[[Harness, str], Any],
    would: Callable[[Harness, str], str],
    *,
    keep_going: bool,
    timeout: float | None,
) -> Group:
    """Return the group of all that starts with this host: a wave begins when all of the one before is healthy.

    With `keep_going` it begins when that has ended, and only what needs what failed is held back.
    """
    return Group(
        command=command,
        course=plan_course(fleet.starting(), fleet.dependencies(), broken=fleet.broken),
        hold=Hold.NEEDS if keep_going else Hold.WAVES,
        timeout=timeout or TIMEOUT,
        work=lambda name, _: fleet.forked(name, lambda harness: work(harness, name)),
        would=partial(would, fleet.harness),
    )


def running(harness: Harness) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the directories whose production containers run, and why others on this engine are no part of the fleet.

    Whether their settings can be read or not: what runs can be stopped and looked into. Raises `EngineError`.
    """
    listed = harness.engine.containers(labels={labels.ROLE: labels.ROLE_PRODUCTION, labels.NAME: None})
    names = sorted({each.labels[labels.NAME] for each in listed if each.up})
    known = tuple(name for name in names if harness.catalog.get(name) is not None)
    return known, {name: UNKNOWN for name in names if name not in known}

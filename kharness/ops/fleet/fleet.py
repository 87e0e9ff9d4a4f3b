"""The fleet that a group works on, and the harness of each of its processes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kharness.engine.connect import reconnect
from kharness.errors import KharnessError
from kharness.host.fleet.forked import Tell, Work
from kharness.host.session.owner import current_owner
from kharness.ops.harness import Harness
from kharness.ops.image.build import bases_of
from kharness.ops.project.identity import productions
from kharness.plan.fleet.course import wave_of
from kharness.plan.project import labels
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

UNKNOWN = "is left alone: no source path has its container directory"


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The container directories with readable settings, and the name of this host."""

    harness: Harness
    settings: Mapping[str, Settings]
    host: str = field(default_factory=socket.gethostname)

    @property
    def broken(self) -> frozenset[str]:
        """The directories whose settings cannot be read."""
        return frozenset(each.name for each in self.harness.catalog.directories) - self.settings.keys()

    def directory(self, name: str) -> ContainerDir:
        """Return the container directory of that name."""
        return self.harness.catalog.select(name, prefix=False)

    def starting(self) -> dict[str, int | None]:
        """Return the containers that start with this host, each with its wave."""
        found = {name: wave_of(settings, host=self.host) for name, settings in self.settings.items()}
        return {name: wave for name, wave in found.items() if wave is not None}

    def dependencies(self) -> dict[str, tuple[str, ...]]:
        """Return what each must have up first."""
        return {name: tuple(settings.depends_on) for name, settings in self.settings.items()}

    def bases(self, name: str) -> frozenset[str]:
        """Return the bases of an image; none where its Dockerfile cannot be read, which its build then reports."""
        try:
            return bases_of(self.harness, self.directory(name), self.settings[name])
        except KharnessError:
            return frozenset()

    def running(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the directories whose production containers run, and why running others are not part of the fleet.

        They need no readable settings: a running container can always be stopped and entered. Raises `EngineError`.
        """
        names = sorted({each.labels[labels.NAME] for each in productions(self.harness) if each.up})
        known = tuple(name for name in names if self.harness.catalog.get(name) is not None)
        return known, {name: UNKNOWN for name in names if name not in known}

    def forked(self, name: str, work: Callable[[Harness], Any]) -> Work:
        """Return work for a forked process with its own harness."""

        def own(tell: Tell) -> Any:
            def report(who: str, what: str) -> None:
                indent = " " * what.startswith(" ")
                tell(what if who in {"", name} else f"{indent}{who}: {what.strip()}")

            known = self.harness
            engine = reconnect(known.engine, host=known.host.engine, environ=os.environ, home=Path.home())
            return work(replace(known, engine=engine, owner=current_owner(), report=report))

        return own

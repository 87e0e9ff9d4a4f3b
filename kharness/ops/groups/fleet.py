"""What all groups begin with: the settings of all directories, and the harness of a process of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kharness.engine.connect import connect_anew
from kharness.host.forked import Tell, Work
from kharness.host.owner import current_owner
from kharness.ops.harness import Harness
from kharness.plan.waves import wave_of
from kharness.settings.model import Settings


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The settings that can be read, and the name of this host."""

    harness: Harness
    settings: Mapping[str, Settings]
    host: str = field(default_factory=socket.gethostname)

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

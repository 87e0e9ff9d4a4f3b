"""The systemd units that let kharness recover and start its containers with the host, systemd.service(5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

MARK = "# Written by 'kharness service install'; 'kharness service remove' removes it."
"""The first line of each unit, which marks it as ours."""
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@,+-]+")


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a project's units; without a project, those from before there were projects."""

    project: str = ""

    @property
    def recover(self) -> str:
        """The service that finishes or undoes releases; the timer starts it."""
        return f"{self._stem}-recover.service"

    @property
    def timer(self) -> str:
        """The timer of that service."""
        return f"{self._stem}-recover.timer"

    @property
    def up(self) -> str:
        """The service that starts containers with the host."""
        return f"{self._stem}-up.service"

    @property
    def every(self) -> tuple[str, ...]:
        """All units."""
        return self.recover, self.timer, self.up

    @property
    def enabled(self) -> tuple[str, ...]:
        """The units that start by themselves."""
        return self.timer, self.up

    @property
    def _stem(self) -> str:
        return f"kharness-{self.project}" if self.project else "kharness"


def units(
    command: Sequence[str], *, project: str, directory: PurePosixPath, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return file names and texts of a project's units.

    `command` runs kharness, `directory` is where, `environment` what it reads.
    """
    names = Names(project)
    run = " ".join(map(_word, command))
    where = [f"WorkingDirectory={_value(str(directory))}"]
    where += [f"Environment={_quoted(f'{name}={value}')}" for name, value in sorted(environment.items())]
    return {
        names.recover: _unit(
            Unit={
                "Description": f"Finish or undo releases of {project} that were cut short",
                "Wants": "docker.service",
                "After": "docker.service network-online.target",
            },
            Service=["Type=oneshot", *where, f"ExecStart={run} recover"],
        ),
        names.timer: _unit(
            Unit={"Description": f"Look for releases of {project} that were cut short"},
            Timer=["OnBootSec=30s", "OnUnitInactiveSec=5min"],
            Install=["WantedBy=timers.target"],
        ),
        names.up: _unit(
            Unit={
                "Description": f"Start the containers of {project}, wave by wave",
                # Wanted, not required: what cannot be recovered of one container keeps no other from starting.
                "Wants": f"docker.service {names.recover}",
                "After": f"docker.service {names.recover}",
            },
            Service=["Type=oneshot", "RemainAfterExit=yes", *where, f"ExecStart={run} up-all --keep-going"],
            Install=["WantedBy=multi-user.target"],
        ),
    }


def _unit(**sections: Mapping[str, str] | Sequence[str]) -> str:
    lines = [MARK]
    for name, said in sections.items():
        entries = [f"{key}={value}" for key, value in said.items()] if isinstance(said, Mapping) else list(said)
        lines += ["", f"[{name}]", *entries]
    return "\n".join(lines) + "\n"


def _value(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    # In a command line a dollar sign means a variable; elsewhere it means itself, systemd.exec(5).
    return _quoted(text).replace("$", "$$")


def _quoted(text: str) -> str:
    # systemd splits at spaces, and reads backslashes, quotes and percent signs.
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"'

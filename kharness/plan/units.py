"""The systemd units that let kharness recover and start its containers with the host, systemd.service(5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

RECOVER, TIMER, UP = "kharness-recover.service", "kharness-recover.timer", "kharness-up.service"
ENABLED = (TIMER, UP)
"""The units that start by themselves; the timer starts the first one."""
MARK = "# Written by 'kharness service install'; 'kharness service remove' removes it."
"""The first line of each, by which our own files are told from others."""
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@,+-]+")


def units(command: Sequence[str], *, directory: PurePosixPath, environment: Mapping[str, str]) -> dict[str, str]:
    """Return file names and texts. `command` runs kharness, `directory` is where, `environment` what it reads."""
    run = " ".join(map(_word, command))
    where = [f"WorkingDirectory={_value(str(directory))}"]
    where += [f"Environment={_quoted(f'{name}={value}')}" for name, value in sorted(environment.items())]
    return {
        RECOVER: _unit(
            Unit={
                "Description": "Finish or undo kharness releases that were cut short",
                "Wants": "docker.service",
                "After": "docker.service network-online.target",
            },
            Service=["Type=oneshot", *where, f"ExecStart={run} recover"],
        ),
        TIMER: _unit(
            Unit={"Description": "Look for kharness releases that were cut short"},
            Timer=["OnBootSec=30s", "OnUnitInactiveSec=5min"],
            Install=["WantedBy=timers.target"],
        ),
        UP: _unit(
            Unit={
                "Description": "Start the containers of kharness, wave by wave",
                # Wanted, not required: what cannot be recovered of one container keeps no other from starting.
                "Wants": f"docker.service {RECOVER}",
                "After": f"docker.service {RECOVER}",
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

"""The owner of a test object: a process, distinguished from every other one on every host.

A pid alone is used again; with its start time, the boot and the pid namespace it is not. An owner is judged only
from where its pid can be seen: the same machine and the same pid namespace.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kharness.errors import HostError
from kharness.plan import labels

Liveness = Literal["alive", "dead", "foreign"]
StartReader = Callable[[int], int | None]
"""Given a pid: its start time, or None when there is no such process; PermissionError when that cannot be seen."""

_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATE, _START = 0, 19
"""Places of `state` and `starttime` (fields 3 and 22 of proc(5)) after the command's closing bracket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process; `start` is its start time in clock ticks after the boot, `pidns` its pid namespace's inode."""

    machine: str
    boot: str
    pidns: str
    pid: int
    start: int

    def labels(self) -> dict[str, str]:
        """Return the labels that `from_labels` reads."""
        return {
            labels.OWNER_MACHINE: self.machine,
            labels.OWNER_BOOT: self.boot,
            labels.OWNER_PIDNS: self.pidns,
            labels.OWNER_PID: str(self.pid),
            labels.OWNER_START: str(self.start),
        }

    @classmethod
    def from_labels(cls, found: Mapping[str, str]) -> Owner | None:
        """Return the owner that an object's labels name, or None when they are missing or make no sense."""
        try:
            owner = cls(
                machine=found[labels.OWNER_MACHINE],
                boot=found[labels.OWNER_BOOT],
                pidns=found[labels.OWNER_PIDNS],
                pid=int(found[labels.OWNER_PID]),
                start=int(found[labels.OWNER_START]),
            )
        except (KeyError, ValueError):
            return None
        return owner if owner.pid > 0 and owner.machine and owner.boot and owner.pidns else None


def current_owner() -> Owner:
    """Return this process as an owner; `HostError` where /proc does not have it."""
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
        pidns = str(Path("/proc/self/ns/pid").stat().st_ino)
        start = process_start(os.getpid())
    except OSError as error:
        raise HostError(f"/proc: should have this process's boot, namespace and start time: {error}") from error
    if start is None:
        raise HostError(f"/proc: should show this process ({os.getpid()}), and does not")
    return Owner(machine=_machine(boot), boot=boot, pidns=pidns, pid=os.getpid(), start=start)


def liveness(owner: Owner, here: Owner, *, read: StartReader | None = None) -> Liveness:
    """Judge an owner from `here`: `foreign` where its pid means nothing, `dead` only when it certainly is.

    A process that /proc hides (hidepid of proc(5)) counts as alive, because what it owns would be removed.
    """
    if owner.machine != here.machine:
        return "foreign"
    if owner.boot != here.boot:
        return "dead"
    if owner.pidns != here.pidns:
        return "foreign"
    try:
        start = (read or process_start)(owner.pid)
    except PermissionError:
        return "alive"
    return "alive" if start == owner.start else "dead"


def process_start(pid: int) -> int | None:
    """Return a process's start time in clock ticks after the boot, None when it has ended (a zombie has).

    Raises PermissionError when it exists and /proc does not show it.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        # With hidepid, other users' processes look as if they did not exist; a signal still meets them.
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            raise PermissionError(f"/proc does not show process {pid}") from None
        return None
    # The command stands in brackets and may itself contain brackets and spaces.
    fields = text[text.rindex(b")") + 2 :].split()
    return None if fields[_STATE] in {b"Z", b"X", b"x"} else int(fields[_START])


def _machine(boot: str) -> str:
    for path in _MACHINE_IDS:
        try:
            text = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text and text != "uninitialized":
            return text
    # Without an id, a reboot cannot be told from another machine: what an earlier boot left is foreign.
    return f"{socket.gethostname()}-{boot}"

"""Tell the command that the host's configuration names what was released, refused, undone or recovered."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kharness.host.telling import tell_command
from kharness.ops.harness import Harness
from kharness.ops.journal import who
from kharness.plan.operation import Released

TIMEOUT = 10.0
"""Seconds that the command may take: nobody's release waits for a mail server."""
TOLD = frozenset({"promoted", "launched", "undone", "broken", "failing", "refused", "recovered"})
"""The kinds of end that somebody may want to know of at once; that nothing changed is not one."""


def notify(harness: Harness, released: Released) -> None:
    """Tell the command, if there is one. Whatever it does, no outcome changes; what went wrong with it is reported.

    It gets one JSON object on its standard input: `event` (promoted, launched, undone, broken, failing, refused,
    recovered), `container`, `image`, `previous`, `reasons`, `notes`, `host`, `who`, `at` (RFC 3339).
    """
    if released.kind in TOLD:
        _tell(
            harness,
            event=released.kind,
            container=released.name,
            image=released.image,
            previous=released.previous,
            reasons=released.reasons,
            notes=released.notes,
        )


def notify_drift(harness: Harness, name: str, reasons: Sequence[str]) -> None:
    """Tell the command that a container changed what is not expected: `event` is drift, the rest as of `notify`."""
    _tell(harness, event="drift", container=name, reasons=reasons)


def _tell(harness: Harness, *, container: str, **said: Any) -> None:
    argv = harness.host.notify
    if not argv:
        return
    now = datetime.fromtimestamp(time.time(), tz=UTC).isoformat(timespec="seconds")
    text = json.dumps({**said, "container": container, "host": socket.gethostname(), "who": who(), "at": now})
    if problem := tell_command(argv, f"{text}\n", timeout=TIMEOUT):
        harness.report(container, f"nobody was notified: {problem}")

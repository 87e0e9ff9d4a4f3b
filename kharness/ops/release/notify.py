"""Notify the command of the host's configuration of what was released, refused, undone or recovered."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kharness.host.machine.programs import tell_command
from kharness.ops.harness import Harness
from kharness.ops.release.ledger import who
from kharness.plan.release.operation import Released

TIMEOUT = 10.0
"""Seconds that the command may take: no release waits for a mail server."""
NOTIFIED = frozenset({"promoted", "launched", "undone", "broken", "failing", "refused", "recovered"})
"""The kinds of end that are notified: all but that nothing changed."""


def notify(harness: Harness, released: Released) -> None:
    """Notify the command, if there is one. No outcome depends on it; its failure is reported.

    It gets one JSON object on its standard input: `event` (promoted, launched, undone, broken, failing, refused,
    recovered), `container`, `image`, `previous`, `reasons`, `notes`, `host`, `who`, `at` (RFC 3339).
    """
    if released.kind in NOTIFIED:
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
    """Notify the command of unexpected changes in a container: `event` is drift, the rest is that of `notify`."""
    _tell(harness, event="drift", container=name, reasons=reasons)


def _tell(harness: Harness, *, container: str, **said: Any) -> None:
    argv = harness.host.notify
    if not argv:
        return
    now = datetime.fromtimestamp(time.time(), tz=UTC).isoformat(timespec="seconds")
    text = json.dumps({**said, "container": container, "host": socket.gethostname(), "who": who(), "at": now})
    if problem := tell_command(argv, f"{text}\n", timeout=TIMEOUT):
        harness.report(container, f"the notification failed: {problem}")

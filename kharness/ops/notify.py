"""Tell the command that the host's configuration names what was released, refused, undone or recovered."""

from __future__ import annotations

import json
import socket
import time
from datetime import UTC, datetime

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
    argv = harness.host.notify
    if not argv or released.kind not in TOLD:
        return
    text = json.dumps(
        {
            "event": released.kind,
            "container": released.name,
            "image": released.image,
            "previous": released.previous,
            "reasons": released.reasons,
            "notes": released.notes,
            "host": socket.gethostname(),
            "who": who(),
            "at": datetime.fromtimestamp(time.time(), tz=UTC).isoformat(timespec="seconds"),
        }
    )
    if problem := tell_command(argv, f"{text}\n", timeout=TIMEOUT):
        harness.report(released.name, f"nobody was notified: {problem}")

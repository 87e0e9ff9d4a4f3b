"""The ledger of releases, what is live held against it, and the command that is notified of them.

A tag that was moved by hand passed no gate.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kharness.errors import RefusedError
from kharness.host.machine.programs import tell_command
from kharness.host.state.state import Entry
from kharness.ops.harness import Harness
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.release.operation import Ending, Kind, Operation, Released
from kharness.settings.catalog import ContainerDir

WAS_LIVE = frozenset({"promote", "untested", "launch", "relaunch", "rollback", "found"})
"""The ledger's words for what has been live."""
LIMIT = 1000
"""Entries of the ledger that are looked through."""


def who() -> str:
    """Return the user behind this process, for the ledger."""
    user = os.environ.get("SUDO_USER")
    if user:
        return f"{user} (sudo)"
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def entries_of(operation: Operation) -> list[Entry]:
    """Return what the ledger gets of an operation that is decided."""
    promoted = "untested" if operation.evidence.untested else "promote"
    note = "; ".join(operation.evidence.remarks)
    match operation.kind:
        case Kind.PROMOTE:
            return [release_entry(operation, promoted, note=note)]
        case Kind.LAUNCH if not operation.container and operation.live == operation.image:
            return []  # what ran already was looked at, and nothing was changed
        case Kind.LAUNCH if operation.live != operation.image:
            return [release_entry(operation, promoted, note=note), release_entry(operation, "launch")]
        case kind:
            return [release_entry(operation, kind.value, note=operation.note)]


def release_entry(operation: Operation, kind: str, *, note: str = "") -> Entry:
    """Return an entry about an operation."""
    evidence = operation.evidence
    return Entry(
        name=operation.name,
        kind=kind,
        image_id=operation.image,
        previous=operation.live,
        digest=evidence.digest,
        commit=evidence.commit,
        who=who(),
        at=time.time(),
        session=evidence.session,
        tests=evidence.tests,
        note=note,
    )


def container_entry(name: str, kind: str, image: str, *, note: str) -> Entry:
    """Return an entry about a container as a whole, which is no release of an image."""
    return Entry(
        name=name,
        kind=kind,
        image_id=image,
        previous=image or None,
        digest=None,
        commit=None,
        who=who(),
        at=time.time(),
        session="",
        tests=0,
        note=note,
    )


def recorded_live(harness: Harness, name: str) -> str:
    """Return the id of the image that was live last by the ledger; empty where it has none. Raises `StateError`."""
    releases = harness.state.releases_in_use(name, limit=LIMIT)
    return next((each.image_id for each in releases if each.kind in WAS_LIVE), "")


def note_of_live(harness: Harness, name: str, live: ImageFacts | None, *, runs: str) -> str:
    """Return what a person should know where production runs another image than what is live; empty where it does not.

    `runs` is the id of its image.
    """
    if live is None or live.id == runs:
        return ""
    if moved := moved_by_hand(harness, name, live.id):
        return f"{moved}; 'kharness run {name}' refuses it, with --untested it launches it"
    return f"another image is live than the one it runs, {short_id(live.id)}; 'kharness run {name}' launches that"


def moved_by_hand(harness: Harness, name: str, live: str) -> str:
    """Return how `:live` differs from the ledger, as a sentence; empty where it does not, or the ledger has nothing."""
    recorded = recorded_live(harness, name)
    if not live or not recorded or recorded == live:
        return ""
    return f"{short_id(live)} is live, and {short_id(recorded)} was released last: the tag was moved by hand"


def refuse_moved(harness: Harness, directory: ContainerDir, live: ImageFacts, *, untested: bool) -> str:
    """Return what a launch of what is live must record; empty where the ledger knows the image.

    Raises `RefusedError` where it was made live by hand, unless `untested` allows it.
    """
    name = directory.name
    moved = moved_by_hand(harness, name, live.id)
    if not moved:
        return ""
    if not untested:
        recorded, tags = recorded_live(harness, name), harness.tags(name)
        back = f"'docker tag {short_id(recorded)} {tags.live}' puts it back, " if harness.engine.image(recorded) else ""
        raise RefusedError(
            f"{name}: {moved}, and no session let it pass; {back}"
            f"'pytest {directory.path} --ready --promote' tests and promotes what is built, "
            f"'kharness run {name} --untested' launches it all the same"
        )
    harness.report(name, f"LAUNCHING AN UNTESTED IMAGE, which is recorded: {moved}")
    return f"untested: {moved}"


TIMEOUT = 10.0
"""Seconds that the command may take: no release waits for a mail server."""
NOTIFIED = frozenset(Ending) - {Ending.UNCHANGED}
"""What is notified: all but that nothing changed."""


def notify(harness: Harness, released: Released) -> None:
    """Notify the command, if there is one. No outcome depends on it; its failure is reported.

    It gets one JSON object on its standard input: `event` (promoted, launched, undone, broken, failing, refused,
    recovered), `container`, `image`, `previous`, `reasons`, `notes`, `host`, `who`, `at` (RFC 3339).
    """
    if released.kind in NOTIFIED:
        _tell(
            harness,
            event=released.kind.value,
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

"""Locks between processes: files below an engine's state directory, held with flock(2).

The kernel releases a lock when its holder dies, however it dies. A file beside it names the holder.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kharness.errors import HostError, LockedError

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")
_POLL = 0.02


@contextmanager
def lock(directory: Path, name: str, *, timeout: float, busy: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock of that name, waiting up to `timeout` seconds for another process or thread.

    `busy` is called with its holder before the wait.

    Raises `LockedError`: `NAME is locked by pid N (command), since TIME`, or `HostError`: why it cannot be made. A lock
    is not re-entrant: a thread that takes it twice waits for itself.
    """
    if not _SAFE_NAME.fullmatch(name):
        raise HostError(f"{name!r}: should be a name that can be a file's, to be locked")
    path = directory / f"{name}.lock"
    holder = directory / f"{name}.holder"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        held = FileLock(path, thread_local=False)
        try:
            held.acquire(timeout=0.0)
        except Timeout:
            if busy is not None:
                busy(_read_holder(holder))
            held.acquire(timeout=max(0.0, timeout), poll_interval=_POLL)
    except Timeout:
        raise LockedError(f"{name} is locked by {_read_holder(holder)}") from None
    except (OSError, RuntimeError, NotImplementedError) as error:
        raise HostError(f"{path}: cannot be locked: {error}") from error
    try:
        _write_holder(holder)
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        held.release()


def _write_holder(path: Path) -> None:
    # A file of its own, because a waiter's attempt may truncate the locked one. It is only information: the lock
    # holds without it, for instance on a full disk.
    said = {"pid": os.getpid(), "command": _command(), "since": time.time()}
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(said), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()


def _read_holder(path: Path) -> str:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        since = datetime.fromtimestamp(said["since"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"pid {said['pid']} ({said['command']}), since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _command() -> str:
    words = [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv and sys.argv[0] else [Path(sys.executable).name]
    return " ".join(words).encode(errors="backslashreplace").decode()[:200]

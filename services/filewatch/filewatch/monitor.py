"""Scan at a set rate in the background, and keep the last result."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from filewatch.changes import changes, reasons
from filewatch.findings import Scan

_LOG = logging.getLogger("filewatch")
_LEAST_PAUSE = 0.1
"""Part of the rate that is paused even where a scan takes longer than the rate allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The last result, with all that can be said of it made beforehand: a request must not cost a look at each file.

    `began` is when its scan began, in seconds of a clock that only goes forward; `rows` are the page's. `failure` says
    why the scan after it came to no result, or is empty.
    """

    scan: Scan | None
    rows: bytes = b""
    reasons: tuple[str, ...] = ()
    began: float
    failure: str = ""


class Monitor:
    """Scans in a thread of its own; `latest` may be read from any thread, and is None before the first scan's end."""

    def __init__(self, scan: Callable[[], Scan], *, render: Callable[[Scan], bytes], every: float) -> None:
        """`render` makes the rows of the page; `every` in seconds."""
        self.latest: Latest | None = None
        self._scan = scan
        self._render = render
        self._every = every
        self._wake = threading.Event()

    def start(self) -> None:
        """Begin to scan; the thread ends with the process, even while the file system does not answer."""
        threading.Thread(target=self._run, name="scanner", daemon=True).start()

    def scan_soon(self) -> None:
        """Scan without waiting for the next time."""
        self._wake.set()

    def round(self) -> None:
        """Scan once and publish the result."""
        began = time.monotonic()
        before = self.latest.scan if self.latest else None
        try:
            scan = self._scan()
            latest = Latest(scan=scan, rows=self._render(scan), reasons=reasons(scan), began=began)
        except Exception as error:  # noqa: BLE001 - a scanner that dies silently leaves a result that looks right
            failure = f"{type(error).__name__}: {error}"
            if self.latest is None or self.latest.failure != failure:
                _LOG.exception("the scan failed")
            self.latest = replace(self.latest or Latest(scan=None, began=began), failure=failure)
            return
        self.latest = latest
        if before is None:
            _LOG.info("watching %d files, %d are not as they should be", len(scan.findings), len(latest.reasons))
        for line in changes(before, scan):
            _LOG.info("%s", line)

    def _run(self) -> None:
        while True:
            began = time.monotonic()
            self.round()
            took = time.monotonic() - began
            self._wake.wait(max(self._every - took, self._every * _LEAST_PAUSE))
            self._wake.clear()
